// SPDX-License-Identifier: Apache-2.0

package app

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAuthorities(t *testing.T) {
	t.Parallel()
	if pool, err := authorities(""); pool != nil || err != nil {
		t.Errorf("none wanted: got %v, %v", pool, err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := authorities(path); err == nil {
		t.Error("a file that is not there")
	}
	if err := os.WriteFile(path, []byte("nothing of the kind"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authorities(path); err == nil {
		t.Error("a file without a certificate")
	}
	const certificate = `-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUfjsGypszOPsMF7qnUkJpdfYHxzUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMjE5MDMzMloYDzIxMjYxMDI5
MTkwMzMyWjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARIS3uEnVv6Z/2JzF6EUao8wfQSzvuD54eHfa+dv3GggsBJPyQlY86s
zTQyO6N0lk+t9Ul3Oy9TwIBjes1I6yvIo1MwUTAdBgNVHQ4EFgQUuZRqnRnMYCYo
4ClcBOBlemV7DxQwHwYDVR0jBBgwFoAUuZRqnRnMYCYo4ClcBOBlemV7DxQwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBKI0Qwza1W9jLoDw8QWrT1
BPx3LjUqVg2PUlCb88xO0wIgIR6zMukbsX9/HO+OW33zyAaaY2XfnBdnnnsH1tjj
30E=
-----END CERTIFICATE-----
`
	if err := os.WriteFile(path, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	if pool, err := authorities(path); pool == nil || err != nil {
		t.Errorf("a certificate: got %v, %v", pool, err)
	}
}
