package local

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// refKey is the key under which the events of a repository that have a ref are found. It is a
// number, since a report has thousands of refs. It is part of a cryptographic digest, so that
// nobody can make an event appear under the ref of another.
func refKey(repo record.Repository, ref record.Ref) int64 {
	sum := sha256.Sum256([]byte(string(repo) + "\n" + string(ref)))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

func addRef(ctx context.Context, tx *sql.Tx, key, document int64) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO refs (ref, d) VALUES (?, ?) ON CONFLICT DO NOTHING", key, document)
	return err
}

// Events calls f with each event that matches q and the id of its document, in the order of their
// stated times.
func (x *Index) Events(ctx context.Context, q schemas.EventQuery, f func(id string, doc jsontext.Value) error) error {
	keys := make([]int64, len(q.Refs))
	for i, ref := range q.Refs {
		keys[i] = refKey(q.Repository, ref)
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	var numbers []int64 // read the documents one at a time: together they may be large
	err = x.each(ctx, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		numbers = append(numbers, n)
		return err
	}, `SELECT d FROM documents WHERE (?1 <> '' AND change = ?1 AND name LIKE 'logs-%')
		OR d IN (SELECT r.d FROM json_each(?2) k JOIN refs r ON r.ref = k.value)
		ORDER BY at, id`, string(q.Change), string(list))
	if err != nil {
		return err
	}
	for _, n := range numbers {
		var id string
		var doc []byte
		if err := x.db.QueryRowContext(ctx, "SELECT id, doc FROM documents WHERE d = ?", n).Scan(&id, &doc); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if err := f(id, doc); err != nil {
			return err
		}
	}
	return nil
}

// upgrade brings the tables of layout 1 or 2 up to date: documents get permanent numbers, and
// events that name a run but no change are found under the run's ref.
func (x *Index) upgrade(ctx context.Context, version int) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if _, err := tx.ExecContext(ctx, `ALTER TABLE documents RENAME TO former; DROP INDEX documents_of_change;`+tableOfDocuments+tableOfRefs+
		`INSERT INTO documents (name, id, version, change, at, doc) SELECT name, id, version, change, at, doc FROM former; DROP TABLE former;`); err != nil {
		return err
	}
	if version == 2 { // layout 1 had no table of runs
		if err := refsOfRuns(ctx, tx); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version=%d", layout)); err != nil {
		return err
	}
	return tx.Commit()
}

// refsOfRuns fills the refs from the former table of runs, whose keys were a repository and a run.
func refsOfRuns(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, "SELECT r.run, d.d FROM runs r JOIN documents d ON d.name = r.name AND d.id = r.id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err reports what went wrong
	type found struct {
		key      string
		document int64
	}
	var all []found
	for rows.Next() {
		var f found
		if err := rows.Scan(&f.key, &f.document); err != nil {
			return err
		}
		all = append(all, f)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, f := range all {
		repo, run, _ := strings.Cut(f.key, "\n")
		if err := addRef(ctx, tx, refKey(record.Repository(repo), record.RunRef(run)), f.document); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "DROP TABLE runs")
	return err
}
