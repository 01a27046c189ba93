// SPDX-License-Identifier: Apache-2.0

package account

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
)

// What is known of the apps that have logged in, for people who look at what has access to their account
// (XEP-0494 §3.1). Who logs in is noted in memory, and stored a little later together with others: a log-in does not wait
// for it. A crash leaves the time before.

const (
	saveClients  = 10 * time.Second // how late the store may learn of a log-in
	maxClients   = 100              // of one account; the one that was not seen for longest makes room
	maxUnsaved   = 10_000           // that are noted and not stored; there is no room for more
	maxClientKey = 1100             // bytes: a resource has 1023 at most
)

// A ClientKey names an app on a device among those of its account.
type ClientKey string

// KeyOf returns the name of a client: by its own id, or by its resource where it told none.
func KeyOf(id, resource string) ClientKey {
	if id != "" {
		return ClientKey("id:" + id)
	}
	return ClientKey("at:" + resource)
}

// ID is the client's own id; "" where it told none.
func (k ClientKey) ID() string {
	id, ok := strings.CutPrefix(string(k), "id:")
	if !ok {
		return ""
	}
	return id
}

// A Visit is a log-in, as it is noted.
type Visit struct {
	Key      ClientKey
	Client   Client     // what it says of itself
	Address  netip.Addr // where it came from; the zero Addr where that is not known
	Password bool       // it has shown the password
	At       time.Time
}

// A Seen is a client that has, or had, access to an account.
type Seen struct {
	Key       ClientKey
	Ref       string // what others call it by (XEP-0494 §3.1)
	Software  string // "" where it told none
	Device    string // the same
	Address   string // the network that it came from last, "192.0.2.0/24"; "" where that is not known
	Password  bool   // it has shown the password that there is now
	Token     bool   // it has a token (XEP-0484)
	FirstSeen time.Time
	LastSeen  time.Time // UTC

	opened int64 // Account.Password of the log-in; only of those that are not stored yet
}

// A clientBook has the log-ins that are not stored yet.
type clientBook struct {
	mu     sync.Mutex // guards what follows
	visits map[int64]map[ClientKey]Seen
	n      int
}

// Visited notes a log-in to a, as a was then. It returns at once; Clients knows of it from then on.
func (s *Service) Visited(a Account, v Visit) {
	if len(v.Key) > maxClientKey {
		return
	}
	at := v.At.UTC().Truncate(time.Microsecond)
	n := Seen{Key: v.Key, Software: agent(v.Client.Software), Device: agent(v.Client.Device), Password: v.Password,
		FirstSeen: at, LastSeen: at, opened: a.Password}
	if s.keepAddresses {
		n.Address = network(v.Address)
	}
	b := &s.clients
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.visits[a.ID]
	old, known := of[v.Key]
	switch {
	case known && old.opened == n.opened:
		n = n.after(old)
	case known:
	case b.n >= maxUnsaved:
		return // nothing depends on it
	default:
		b.n++
	}
	if of == nil {
		if b.visits == nil {
			b.visits = map[int64]map[ClientKey]Seen{}
		}
		of = map[ClientKey]Seen{}
		b.visits[a.ID] = of
	}
	of[v.Key] = n
}

// after is what is known after n, where old was known before.
func (n Seen) after(old Seen) Seen {
	n.FirstSeen = old.FirstSeen
	n.Software = cmp.Or(n.Software, old.Software)
	n.Device = cmp.Or(n.Device, old.Device)
	n.Address = cmp.Or(n.Address, old.Address)
	n.Password = n.Password || old.Password
	n.Token = n.Token || old.Token
	return n
}

// network is an address without the part that tells one household from another: the first 24 bits of IPv4, 48 of IPv6.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return ""
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// Clients returns the clients of an account, those seen last first: those that have a token, and those that are kept in
// mind. Who has access now beside them has it by a session; the router knows.
func (s *Service) Clients(ctx context.Context, id int64) ([]Seen, error) {
	found := map[ClientKey]Seen{}
	err := s.db.Read(ctx, func(tx *db.ReadTx) error {
		clear(found)
		if err := readClients(tx, id, found); err != nil {
			return err
		}
		return s.readTokens(tx, id, found)
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	s.clients.mu.Lock()
	for k, n := range s.clients.visits[id] {
		if old, ok := found[k]; ok {
			n = n.after(old)
		}
		found[k] = n
	}
	s.clients.mu.Unlock()
	list := slices.SortedFunc(maps.Values(found), func(a, b Seen) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Key, b.Key))
	})
	for i := range list {
		list[i].Ref = s.ClientRef(id, list[i].Key)
	}
	return list, nil
}

func readClients(tx *db.ReadTx, id int64, found map[ClientKey]Seen) error {
	const q = `
		SELECT key, software, device, address, password, first_seen, last_seen FROM account_client
		WHERE account = $1` // by the primary key
	rows, err := tx.Query(q, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n Seen
		var first, last int64
		if err := rows.Scan(&n.Key, &n.Software, &n.Device, &n.Address, &n.Password, &first, &last); err != nil {
			return err
		}
		n.FirstSeen, n.LastSeen = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		found[n.Key] = n
	}
	return rows.Err()
}

// readTokens adds the clients that have a token which is good still.
func (s *Service) readTokens(tx *db.ReadTx, id int64, found map[ClientKey]Seen) error {
	const q = `
		SELECT client, software, device, created_at, used_at FROM account_token
		WHERE account = $1 AND expires_at > $2 ORDER BY client, id` // by the primary key
	rows, err := tx.Query(q, id, s.now().UnixMicro())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var client, software, device string
		var created, used int64
		if err := rows.Scan(&client, &software, &device, &created, &used); err != nil {
			return err
		}
		key := KeyOf(client, "")
		n, ok := found[key]
		if !ok {
			n = Seen{Key: key, FirstSeen: time.UnixMicro(created).UTC()}
		}
		n.Token = true
		n.Software, n.Device = cmp.Or(n.Software, software), cmp.Or(n.Device, device)
		if last := time.UnixMicro(max(created, used)).UTC(); last.After(n.LastSeen) {
			n.LastSeen = last
		}
		found[key] = n
	}
	return rows.Err()
}

// ClientRef is what a client is called by (XEP-0494 §3.1): always the same, and nobody can tell its id by it.
func (s *Service) ClientRef(id int64, k ClientKey) string {
	m := hmac.New(sha256.New, s.refKey[:])
	m.Write([]byte(strconv.FormatInt(id, 10) + "\x00" + string(k)))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:9])
}

// ForgetClient removes what is known of a client, and ends its tokens (XEP-0494 §3.2).
func (s *Service) ForgetClient(tx *db.Tx, id int64, k ClientKey) error {
	if client := k.ID(); client != "" {
		if err := s.EndTokens(tx, id, client); err != nil {
			return err
		}
	}
	s.clients.forget(id, k)
	if _, err := tx.Exec(`DELETE FROM account_client WHERE account = $1 AND key = $2`, id, k); err != nil {
		return fmt.Errorf("forget client: %w", err)
	}
	return nil
}

// OnSignOut has f called in the act in which a client gives its access back (XEP-0484 §3.6). What f writes belongs to the
// act, and its error ends it. Who takes a client's access away (ForgetClient, SetPassword) is known to who asked for it.
// OnSignOut is called before the service is used.
func (s *Service) OnSignOut(f func(tx *db.Tx, id int64, k ClientKey) error) {
	s.signOuts = append(s.signOuts, f)
}

func (s *Service) signedOut(tx *db.Tx, id int64, k ClientKey) error {
	for _, f := range s.signOuts {
		if err := f(tx, id, k); err != nil {
			return err
		}
	}
	return nil
}

// forget takes a client out of those that are to be stored.
func (b *clientBook) forget(id int64, k ClientKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.visits[id][k]; ok {
		delete(b.visits[id], k)
		b.n--
	}
}

// forgetPassword notes that nobody has shown the password that an account has now. Clients that are nothing without it
// are forgotten.
func (s *Service) forgetPassword(tx *db.Tx, id int64) error {
	tx.After(func() {
		s.clients.mu.Lock()
		defer s.clients.mu.Unlock()
		s.clients.n -= len(s.clients.visits[id])
		delete(s.clients.visits, id)
	})
	if _, err := tx.Exec(`DELETE FROM account_client WHERE account = $1`, id); err != nil {
		return fmt.Errorf("forget clients: %w", err)
	}
	return nil
}

// SaveClients stores the log-ins that were noted.
func (s *Service) SaveClients(ctx context.Context) error {
	b := &s.clients
	b.mu.Lock()
	visits := b.visits
	b.visits, b.n = nil, 0
	b.mu.Unlock()
	ids := slices.Sorted(maps.Keys(visits))
	for some := range slices.Chunk(ids, 100) {
		err := s.db.Write(ctx, func(tx *db.Tx) error {
			for _, id := range some {
				if err := saveVisits(tx, id, visits[id]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("store who logged in: %w", err)
		}
	}
	return nil
}

func saveVisits(tx *db.Tx, id int64, visits map[ClientKey]Seen) error {
	// Nothing is stored for an account that is gone, or that has got another password since.
	const q = `
		INSERT INTO account_client (account, key, software, device, address, password, first_seen, last_seen)
		SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM account WHERE id = $1 AND account.password = $9 AND ` + there + `
		ON CONFLICT (account, key) DO UPDATE SET
			software = CASE WHEN excluded.software <> '' THEN excluded.software ELSE account_client.software END,
			device = CASE WHEN excluded.device <> '' THEN excluded.device ELSE account_client.device END,
			address = excluded.address, password = account_client.password OR excluded.password,
			last_seen = excluded.last_seen`
	for k, n := range visits {
		_, err := tx.Exec(q, id, k, n.Software, n.Device, n.Address, n.Password, n.FirstSeen.UnixMicro(),
			n.LastSeen.UnixMicro(), n.opened)
		if err != nil {
			return err
		}
	}
	const room = `
		DELETE FROM account_client WHERE account = $1 AND key IN (
			SELECT key FROM account_client WHERE account = $1 ORDER BY last_seen DESC LIMIT 1000 OFFSET $2)`
	_, err := tx.Exec(room, id, maxClients)
	return err
}

// expireClients forgets clients that were not seen for long (XEP-0494 §6). One that has a token stays known by that.
func (s *Service) expireClients(ctx context.Context) error {
	if s.clientsFor == 0 {
		return nil
	}
	before := s.now().Add(-s.clientsFor).UnixMicro()
	err := s.db.Batched(ctx, func(tx *db.Tx) (int, error) {
		const q = `
			DELETE FROM account_client WHERE (account, key) IN (
				SELECT account, key FROM account_client WHERE last_seen < $1 LIMIT $2)` // by account_client_seen
		r, err := tx.Exec(q, before, db.BatchRows)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		return int(n), err
	})
	if err != nil {
		return fmt.Errorf("forget clients: %w", err)
	}
	return nil
}
