// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
)

var (
	// ErrNewer says that the database was written by a newer program, whose data this one does not understand.
	ErrNewer = errors.New("db: the database is newer than this program")
	// ErrChanged says that a file that was applied once is not what it was. Files are added, never edited.
	ErrChanged = errors.New("db: an applied schema file was changed")
)

// Schema is the tables of one package: the files schema/NNNN_what.sql in FS, numbered from 0001 without a gap.
type Schema struct {
	Name string // of the package, such as "archive"
	FS   fs.FS
}

// migration is one file of a schema.
type migration struct {
	schema  string
	version int64
	file    string
	text    string
	sum     string
}

const migrationTable = `
	CREATE TABLE IF NOT EXISTS schema_migration (
		name     TEXT   NOT NULL, -- of the schema
		version  BIGINT NOT NULL,
		file     TEXT   NOT NULL,
		checksum TEXT   NOT NULL, -- SHA-256 of the file, hex
		PRIMARY KEY (name, version)
	)`

// Migrate applies the files that the database does not have yet, schema by schema in the order given, each file in
// a transaction of its own. It changes nothing and returns ErrNewer or ErrChanged where the database and the program
// do not fit. It is called before anything else; several calls together name all schemas.
//
// Foreign keys are checked at the end of each file rather than enforced by statement, so that a file may rebuild a
// table that others refer to.
func (d *DB) Migrate(ctx context.Context, schemas ...Schema) error {
	if err := d.migrate(ctx, schemas); err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}

func (d *DB) migrate(ctx context.Context, schemas []Schema) (err error) {
	var want []migration
	d.mu.Lock()
	for _, s := range schemas {
		d.known[s.Name] = true
		m, err := s.files()
		if err != nil {
			d.mu.Unlock()
			return err
		}
		want = append(want, m...)
	}
	d.mu.Unlock()

	c, err := newConn(ctx, d.pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for _, q := range []string{"PRAGMA foreign_keys = 0", migrationTable} {
		if _, err := c.exec(ctx, q); err != nil {
			return err
		}
	}
	pending, err := d.compare(ctx, c, want)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if err := apply(ctx, c, m); err != nil {
			return fmt.Errorf("%s %s: %w", m.schema, m.file, err)
		}
		d.log.Info("schema file applied", "schema", m.schema, "file", m.file)
	}
	return nil
}

var fileName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// files reads the schema's files in order.
func (s Schema) files() ([]migration, error) {
	names, err := fs.Glob(s.FS, "schema/*")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var list []migration
	for i, name := range names {
		base := path.Base(name)
		part := fileName.FindStringSubmatch(base)
		if part == nil {
			return nil, fmt.Errorf("%s: %s is not named NNNN_what.sql", s.Name, base)
		}
		version, err := strconv.ParseInt(part[1], 10, 64)
		if err != nil {
			return nil, err
		}
		if version != int64(i+1) {
			return nil, fmt.Errorf("%s: %s is not number %d", s.Name, base, i+1)
		}
		text, err := fs.ReadFile(s.FS, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		list = append(list, migration{s.Name, version, base, string(text), hex.EncodeToString(sum[:])})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no files in schema/", s.Name)
	}
	return list, nil
}

// compare returns what of want was not applied yet.
func (d *DB) compare(ctx context.Context, c *conn, want []migration) (pending []migration, err error) {
	type key struct {
		schema  string
		version int64
	}
	applied := map[key]string{}
	program := map[key]migration{}
	for _, m := range want {
		program[key{m.schema, m.version}] = m
	}
	rows, err := c.query(ctx, "SELECT name, version, file, checksum FROM schema_migration ORDER BY name, version")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k key
		var file, sum string
		if err := rows.Scan(&k.schema, &k.version, &file, &sum); err != nil {
			return nil, err
		}
		applied[k] = sum
		d.mu.Lock()
		known := d.known[k.schema]
		d.mu.Unlock()
		m, ok := program[k]
		switch {
		case !known, !ok && slices.ContainsFunc(want, func(m migration) bool { return m.schema == k.schema }):
			return nil, fmt.Errorf("%w: it has %s %s", ErrNewer, k.schema, file)
		case ok && m.sum != sum:
			return nil, fmt.Errorf("%w: %s %s", ErrChanged, k.schema, file)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, m := range want {
		if _, ok := applied[key{m.schema, m.version}]; !ok {
			pending = append(pending, m)
		}
	}
	return pending, nil
}

// apply runs one file and notes it.
func apply(ctx context.Context, c *conn, m migration) (err error) {
	if _, err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.exec(context.Background(), "ROLLBACK") // err says what matters
		}
	}()
	if _, err := c.sql.ExecContext(ctx, m.text); err != nil { // a script: nothing to prepare
		return err
	}
	if err := checkForeignKeys(ctx, c); err != nil {
		return err
	}
	const q = "INSERT INTO schema_migration (name, version, file, checksum) VALUES ($1, $2, $3, $4)"
	if _, err := c.exec(ctx, q, m.schema, m.version, m.file, m.sum); err != nil {
		return err
	}
	_, err = c.exec(ctx, "COMMIT")
	return err
}

func checkForeignKeys(ctx context.Context, c *conn) error {
	rows, err := c.query(ctx, "SELECT \"table\", \"parent\" FROM pragma_foreign_key_check")
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		if err := rows.Scan(&table, &parent); err != nil {
			return err
		}
		return fmt.Errorf("a row of %s refers to nothing in %s", table, parent)
	}
	return rows.Err()
}
