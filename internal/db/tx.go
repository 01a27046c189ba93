// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"database/sql"
)

// Querier is what a Tx and a ReadTx have in common, for functions that serve both.
type Querier interface {
	Query(q string, args ...any) (*Rows, error)
	QueryRow(q string, args ...any) *Row
}

// Tx is what an act works with. It ends with the act.
type Tx struct {
	conn  *conn // nil once ended
	act   *act
	tells []telling
	fatal error // an error that may have ended the whole transaction; nothing runs after it
}

// Exec runs a statement that has no result.
func (tx *Tx) Exec(q string, args ...any) (sql.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	r, err := tx.conn.exec(context.Background(), q, args...)
	return r, tx.note(err)
}

// Query runs a statement that has a result (RETURNING included).
func (tx *Tx) Query(q string, args ...any) (*Rows, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	r, err := tx.conn.query(context.Background(), q, args...)
	if err != nil {
		return nil, tx.note(err)
	}
	r.fail = tx.note
	return r, nil
}

// QueryRow runs a statement of whose result only the first row matters.
func (tx *Tx) QueryRow(q string, args ...any) *Row {
	r, err := tx.Query(q, args...)
	return &Row{r, err}
}

// After has g run once, after the act is committed, on the writer's goroutine: in the order in which the acts were
// committed and g was given, before the answer of this act, never if the act fails. g must not block.
func (tx *Tx) After(g func()) { tx.act.after = append(tx.act.after, g) }

func (tx *Tx) usable() error {
	if tx.conn == nil {
		return errEnded
	}
	return tx.fatal
}

func (tx *Tx) note(err error) error {
	if err != nil && tx.fatal == nil && breaks(err) {
		tx.fatal = err
	}
	return err
}

func (tx *Tx) end() {
	tx.conn.closeRows()
	tx.conn = nil
}

// ReadTx is a snapshot: all its queries see the same state. It ends with the function that it was given to.
type ReadTx struct {
	conn *conn // nil once ended
	ctx  context.Context
	one  bool // one query may be made
	made bool // it was
}

// Query runs a query.
func (tx *ReadTx) Query(q string, args ...any) (*Rows, error) {
	if tx.conn == nil {
		return nil, errEnded
	}
	if tx.one && tx.made {
		panic("db: a second query in ReadOne")
	}
	tx.made = true
	return tx.conn.query(tx.ctx, q, args...)
}

// QueryRow runs a query of whose result only the first row matters.
func (tx *ReadTx) QueryRow(q string, args ...any) *Row {
	r, err := tx.Query(q, args...)
	return &Row{r, err}
}

func (tx *ReadTx) end() {
	tx.conn.closeRows()
	tx.conn = nil
}
