// SPDX-License-Identifier: Apache-2.0

package httpd_test

import (
	"net/http/httptest"
	"testing"

	"github.com/kith-im/kith/internal/httpd"
)

// A client that sends an empty header does not hide the one that its proxy adds behind it.
func TestSecureBehindAnEmptyHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "127.0.0.1:40000"
		if !httpd.Secure(r) {
			t.Fatal("this machine itself counts as insecure")
		}
		r.Header.Add(name, "")
		r.Header.Add(name, "198.51.100.1")
		if httpd.Secure(r) {
			t.Errorf("%s: what a proxy sends for a stranger counts as secure", name)
		}
	}
}
