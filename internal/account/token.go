// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// Lifetimes and bounds of tokens and codes.
const (
	tokenLife   = 21 * 24 * time.Hour // XEP-0484 §4.2 leaves it to us: three weeks of holidays
	tokenRotate = 24 * time.Hour      // a token this old is replaced when it is used
	tokenGrace  = 7 * 24 * time.Hour  // an expired token is remembered, to say credentials-expired
	codeLife    = 60 * time.Second
	maxTokens   = 100 // of one account; the oldest makes room
	maxCodes    = 5   // of one account; the oldest makes room
	maxClient   = 256 // bytes of a client's id
	maxAgent    = 128 // bytes that are kept of what it calls itself
)

var (
	// ErrToken says that a token or code is not good any more: it was used up, replaced, or replayed.
	ErrToken = errors.New("account: token not valid any more")
	// ErrExpired says that a token has passed its time (XEP-0484 §4.2: credentials-expired).
	ErrExpired = errors.New("account: token expired")
	// ErrClient says that a client gave no id, or one that is too long: tokens belong to a client (XEP-0484 §4.1).
	ErrClient = errors.New("account: no id of the client, or one too long")
)

// A Client is an app on a device, as it describes itself (XEP-0388 §2.3). Nobody else is told of it.
type Client struct {
	ID       string // stable, its own; "" where it told none
	Software string // for people; "" where it told none
	Device   string // the same
}

// A Token lets one client log in without the password.
type Token struct {
	Secret  string    // the text that the client gets (XEP-0484 §3.3) and whose bytes are the key of HT
	Expires time.Time // UTC
}

// A Candidate is a token or code by which an account could log in now.
type Candidate struct {
	Secret  []byte // the key of HT
	account int64
	client  string // of a token
	id      int64
	code    bool
}

// A Use says how a token was used.
type Use struct {
	Client  Client // who uses it; a token keeps the id that it has
	Count   int64  // what came as "count" (XEP-0484 §3.4); 0 or less means that nothing came
	Last    bool   // the client has asked to end the token (XEP-0484 §3.6)
	Request string // the mechanism for which the client has asked a new token; "" means that it did not
}

// NewToken makes a token for a client that has just proved by other means who it is. It is good for mech only
// (XEP-0484 §3.4) and for 21 days. Tokens of the client that were given and never used end (XEP-0484 §3.5); the one
// in use stays until the new one is used. It returns ErrClient where client is "" or longer than 256 bytes.
func (s *Service) NewToken(tx *db.Tx, id int64, c Client, mech string) (Token, error) {
	client := c.ID
	if client == "" || len(client) > maxClient {
		return Token{}, ErrClient
	}
	if !isHT(mech) {
		return Token{}, fmt.Errorf("account: no tokens for mechanism %q", mech)
	}
	if _, err := tx.Exec(`DELETE FROM account_token WHERE account = $1 AND client = $2 AND NOT used`, id, client); err != nil {
		return Token{}, fmt.Errorf("end unused tokens: %w", err)
	}
	// The oldest give way; hundreds of clients are one that forgets its id. By the first part of the primary key.
	const room = `
		DELETE FROM account_token WHERE account = $1 AND id IN (
			SELECT id FROM account_token WHERE account = $1 ORDER BY id DESC LIMIT 1000 OFFSET $2)`
	if _, err := tx.Exec(room, id, maxTokens-1); err != nil {
		return Token{}, fmt.Errorf("make room for a token: %w", err)
	}
	now := s.now()
	t := Token{Secret: newSecret(), Expires: now.Add(tokenLife).UTC().Truncate(time.Microsecond)}
	const q = `
		INSERT INTO account_token
			(account, client, id, mechanism, secret, created_at, expires_at, used, counter, software, device)
		SELECT $1, $2, CASE WHEN last.id < $5 THEN $5 ELSE last.id + 1 END, $3, $4, $5, $6, FALSE, 0, $7, $8
		FROM (SELECT COALESCE(MAX(id), 0) AS id FROM account_token WHERE account = $1) AS last`
	sealed := s.seal.seal(t.Secret, place(id, "token", client, mech))
	_, err := tx.Exec(q, id, client, mech, sealed, now.UnixMicro(), t.Expires.UnixMicro(), agent(c.Software), agent(c.Device))
	if err != nil {
		return Token{}, fmt.Errorf("store token: %w", err)
	}
	return t, nil
}

// isHT reports whether tokens are given for a mechanism.
func isHT(mech string) bool {
	return mech == sasl.HTSHA256NONE || mech == sasl.HTSHA256ENDP || mech == sasl.HTSHA256EXPR
}

// agent is what is kept of a client's words about itself.
func agent(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) > maxAgent {
		text = strings.ToValidUTF8(text[:maxAgent], "")
	}
	return text
}

// Knows reports whether a client has a token of the account of name, and so has logged in to it before.
func (s *Service) Knows(ctx context.Context, name, client string) (known bool, err error) {
	a, err := s.find(ctx, name) // ID 0 is nobody's: unknown names are looked up too
	if err != nil && !errors.Is(err, ErrUnknown) {
		return false, err
	}
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `SELECT EXISTS (SELECT 1 FROM account_token WHERE account = $1 AND client = $2)` // by the primary key
		return tx.QueryRow(q, a.ID, client).Scan(&known)
	})
	if err != nil {
		return false, fmt.Errorf("look for a client: %w", err)
	}
	return known, nil
}

// NewCode makes a code by which the account can log in once within a minute, whatever the client: the secret of
// HT-SHA-256-NONE. Like a token it is stored sealed and not hashed, because HT needs the key itself.
func (s *Service) NewCode(tx *db.Tx, id int64) (string, error) {
	const room = `
		DELETE FROM account_code WHERE account = $1 AND id IN (
			SELECT id FROM account_code WHERE account = $1 ORDER BY id DESC LIMIT 1000 OFFSET $2)`
	if _, err := tx.Exec(room, id, maxCodes-1); err != nil {
		return "", fmt.Errorf("make room for a code: %w", err)
	}
	const q = `
		INSERT INTO account_code (account, id, secret, expires_at)
		SELECT $1, CASE WHEN last.id < $3 THEN $3 ELSE last.id + 1 END, $2, $4
		FROM (SELECT COALESCE(MAX(id), 0) AS id FROM account_code WHERE account = $1) AS last`
	code, now := newSecret(), s.now()
	sealed := s.seal.seal(code, place(id, "code", "", ""))
	if _, err := tx.Exec(q, id, sealed, now.UnixMicro(), now.Add(codeLife).UnixMicro()); err != nil {
		return "", fmt.Errorf("store code: %w", err)
	}
	return code, nil
}

// Candidates returns what would let name in by mech from client: the newest token of the client first, then the one
// before it (XEP-0484 §5.1), then codes, which are for HT-SHA-256-NONE. A token is a candidate for the mechanism only
// that it was asked for (XEP-0484 §3.4). Nothing is returned for unknown names. Expired tokens and those of disabled
// accounts are among them, so that Use can say so to their owner.
func (s *Service) Candidates(ctx context.Context, name, client, mech string) (list []Candidate, err error) {
	if !isHT(mech) {
		return nil, nil
	}
	a, err := s.find(ctx, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	id := a.ID // 0 is nobody's: unknown names are looked up too, so that they take as long as others
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const tokens = `
			SELECT id, secret FROM account_token
			WHERE account = $1 AND client = $2 AND mechanism = $3 ORDER BY id DESC LIMIT 2` // by the primary key
		list, err = s.candidates(tx, list, Candidate{account: id, client: client}, place(id, "token", client, mech),
			tokens, id, client, mech)
		if err != nil || mech != sasl.HTSHA256NONE {
			return err
		}
		const codes = `SELECT id, secret FROM account_code WHERE account = $1 AND expires_at > $2`
		list, err = s.candidates(tx, list, Candidate{account: id, code: true}, place(id, "code", "", ""),
			codes, id, s.now().UnixMicro())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}

// candidates adds the rows of q to list, each as c with its id and secret.
func (s *Service) candidates(tx *db.ReadTx, list []Candidate, c Candidate, place []byte, q string, args ...any) ([]Candidate, error) {
	rows, err := tx.Query(q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var sealed []byte
		if err := rows.Scan(&c.id, &sealed); err != nil {
			return nil, err
		}
		if c.Secret, err = s.seal.open(sealed, place); err != nil {
			continue // sealed under a key file that is gone: as good as no token (keyfile says so)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// Use notes that c, one of the Candidates, has let its account in, and returns the account. The token is the new one
// that the client shall get (XEP-0484 §3.5): because it asked, or because the one used is older than a day. It is nil
// if there is none.
//
// It returns ErrToken where c was used up, replaced or replayed since it was read, ErrExpired where its time is
// over, and ErrDisabled. The login must not go on then. A code is good once.
func (s *Service) Use(tx *db.Tx, c Candidate, u Use) (Account, *Token, error) {
	a, err := s.Get(tx, c.account)
	if errors.Is(err, ErrUnknown) {
		return Account{}, nil, ErrToken
	}
	if err != nil {
		return Account{}, nil, err
	}
	if a.Disabled {
		return Account{}, nil, ErrDisabled
	}
	mech, client := u.Request, u.Client
	if c.code {
		err = s.useCode(tx, c)
	} else {
		var due string
		due, err = s.useToken(tx, c, u, &client)
		if mech == "" && !u.Last {
			mech = due
		}
	}
	if err != nil {
		return Account{}, nil, err
	}
	if mech == "" {
		return a, nil, nil
	}
	t, err := s.NewToken(tx, a.ID, client, mech)
	if err != nil {
		return Account{}, nil, err
	}
	return a, &t, nil
}

func (s *Service) useCode(tx *db.Tx, c Candidate) error {
	const q = `DELETE FROM account_code WHERE account = $1 AND id = $2 AND expires_at > $3 RETURNING id`
	var id int64
	err := tx.QueryRow(q, c.account, c.id, s.now().UnixMicro()).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return ErrToken
	}
	if err != nil {
		return fmt.Errorf("use code: %w", err)
	}
	return nil
}

// useToken returns the mechanism of the token if it is due for rotation, else "". It completes what by tells of the
// client.
func (s *Service) useToken(tx *db.Tx, c Candidate, u Use, by *Client) (due string, err error) {
	// XEP-0484 §3.4: a count must be higher than all before it. One is a must for TLS early data only, which we do not
	// take, so a login without it is fine; but a client that counts is held to it.
	const q = `
		UPDATE account_token SET used = TRUE, counter = CASE WHEN $4 > 0 THEN $4 ELSE counter END, used_at = $5,
			software = CASE WHEN $6 <> '' THEN $6 ELSE software END, device = CASE WHEN $7 <> '' THEN $7 ELSE device END
		WHERE account = $1 AND client = $2 AND id = $3 AND ($4 <= 0 OR counter < $4)
		RETURNING mechanism, created_at, expires_at, software, device`
	var created, expires int64
	now := s.now()
	err = tx.QueryRow(q, c.account, c.client, c.id, u.Count, now.UnixMicro(), agent(by.Software), agent(by.Device)).
		Scan(&due, &created, &expires, &by.Software, &by.Device)
	by.ID = c.client
	switch {
	case errors.Is(err, db.ErrNoRows):
		return "", ErrToken
	case err != nil:
		return "", fmt.Errorf("use token: %w", err)
	case expires <= now.UnixMicro():
		return "", ErrExpired // the act fails, and with it the mark
	}
	if u.Last {
		// XEP-0484 §3.6 ends the token at once; whatever else the client was given goes with it.
		if err := s.EndTokens(tx, c.account, c.client); err != nil || u.Request != "" { // it wants another one
			return "", err
		}
		return "", s.signedOut(tx, c.account, KeyOf(c.client, ""))
	}
	// XEP-0484 §3.5: a token that is used ends those that the client got before it.
	const older = `DELETE FROM account_token WHERE account = $1 AND client = $2 AND id < $3`
	if _, err := tx.Exec(older, c.account, c.client, c.id); err != nil {
		return "", fmt.Errorf("end older tokens: %w", err)
	}
	if created > now.Add(-tokenRotate).UnixMicro() {
		return "", nil
	}
	return due, nil
}

// EndTokens ends the tokens of one client of an account, as when a device is logged out.
func (s *Service) EndTokens(tx *db.Tx, id int64, client string) error {
	if _, err := tx.Exec(`DELETE FROM account_token WHERE account = $1 AND client = $2`, id, client); err != nil {
		return fmt.Errorf("end tokens: %w", err)
	}
	return nil
}

// endTokens ends all tokens and codes of an account.
func (s *Service) endTokens(tx *db.Tx, id int64) error {
	for _, q := range []string{`DELETE FROM account_token WHERE account = $1`, `DELETE FROM account_code WHERE account = $1`} {
		if _, err := tx.Exec(q, id); err != nil {
			return fmt.Errorf("end all tokens: %w", err)
		}
	}
	return nil
}

// expire removes tokens and codes whose time is over.
func (s *Service) expire(ctx context.Context) error {
	now := s.now()
	err := s.db.Batched(ctx, func(tx *db.Tx) (int, error) {
		const tokens = `
			DELETE FROM account_token WHERE (account, client, id) IN (
				SELECT account, client, id FROM account_token WHERE expires_at < $1 LIMIT $2)` // by account_token_expiry
		r, err := tx.Exec(tokens, now.Add(-tokenGrace).UnixMicro(), db.BatchRows)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		return int(n), err
	})
	if err != nil {
		return fmt.Errorf("remove expired tokens: %w", err)
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM account_code WHERE expires_at < $1`, now.UnixMicro()) // few, so no index
		return err
	})
	if err != nil {
		return fmt.Errorf("remove expired codes: %w", err)
	}
	return nil
}
