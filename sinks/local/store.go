package local

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	_ "modernc.org/sqlite" // the driver

	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
)

// Name of the engine, in metrics and the consumer group.
const Name = "local"

// FileName is the file in the folder.
const FileName = "index.sqlite"

// layout is the version of the tables, kept as SQLite's user_version.
const layout = 3

const tables = `
CREATE TABLE fields (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE terms (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (field, value));
-- n counts the writes: a reader that knows all up to n asks for what is above.
CREATE TABLE records (
	r INTEGER PRIMARY KEY, n INTEGER NOT NULL UNIQUE, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
	name TEXT NOT NULL, at INTEGER NOT NULL, terms BLOB NOT NULL, numbers BLOB NOT NULL, doc BLOB NOT NULL
);
` + tableOfDocuments + tableOfRefs

const tableOfDocuments = `
CREATE TABLE documents (d INTEGER PRIMARY KEY, name TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, change TEXT, at INTEGER NOT NULL, doc BLOB NOT NULL, UNIQUE (name, id));
CREATE INDEX documents_of_change ON documents (change, at);
`

// tableOfRefs maps a ref of a repository (see refKey) to the documents that are found under it.
const tableOfRefs = `
CREATE TABLE refs (ref INTEGER NOT NULL, d INTEGER NOT NULL, PRIMARY KEY (ref, d)) WITHOUT ROWID;
`

// An Index is the embedded index in one folder.
type Index struct {
	db       *sql.DB
	fields   query.Fields
	mappings map[string]*mapping
	file     string

	write   sync.Mutex // held while writing
	fieldID map[string]int64
	termID  map[fieldTerm]int64 // of recently used terms
	lastN   int64

	arrivals arrivals

	catching sync.Mutex // held while new writes are read
	current  atomic.Pointer[memory]
}

type fieldTerm struct {
	field int64
	value string
}

// presence is the field whose terms are the names of the fields that a record has terms for. SQLite
// never gives this number to a field.
const presence = 0

// maxCached is how many term ids are cached for writing.
const maxCached = 200_000

// Open opens the index in dir. If create is set, it creates a missing index.
func Open(ctx context.Context, dir string, create bool) (*Index, error) {
	file := filepath.Join(dir, FileName)
	if _, err := os.Stat(file); err != nil && !create {
		return nil, fmt.Errorf("%s contains no index: %w; changetrail up --data %s creates one", dir, err, dir)
	}
	if create {
		if err := private(dir, file); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	x := &Index{db: db, file: file, fieldID: make(map[string]int64), termID: make(map[fieldTerm]int64), mappings: make(map[string]*mapping)}
	if err := x.open(ctx, create); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("index %s: %w", file, err)
	}
	return x, nil
}

// private creates a missing file, and makes it and the files that SQLite puts next to it unreadable
// for others. SQLite gives those the mode of the file.
func private(dir, file string) error {
	if err := os.MkdirAll(dir, files.PrivateFolder); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, files.PrivateFile)
	if err != nil {
		return err
	}
	err = f.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err = errors.Join(err, files.Narrow(file+suffix, 0o077))
	}
	return err
}

func (x *Index) open(ctx context.Context, create bool) (err error) {
	if x.fields, err = query.RecordFields(); err != nil {
		return err
	}
	for _, name := range []string{"event", "record", "finding", "health"} {
		if x.mappings[name], err = newMapping(name); err != nil {
			return err
		}
	}
	var version int
	if err := x.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case layout:
	case 1, 2:
		if !create {
			return errors.New("it was written by a former version of changetrail; changetrail up with this one brings it up to date")
		}
		if err := x.upgrade(ctx, version); err != nil {
			return err
		}
	case 0:
		if _, err := x.db.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version=%d; COMMIT", tables, layout)); err != nil {
			return err
		}
	default:
		return fmt.Errorf("it was written by another version of changetrail (layout %d, this one has %d); changetrail export with that version, import with this one", version, layout)
	}
	if err := x.knowFields(ctx, create); err != nil {
		return err
	}
	if err := x.db.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) FROM records").Scan(&x.lastN); err != nil {
		return err
	}
	_, err = x.catchUp(ctx)
	return err
}

// knowFields reads the number that each field has in the file.
func (x *Index) knowFields(ctx context.Context, create bool) error {
	if create {
		for _, name := range x.fields.Names() {
			if _, err := x.db.ExecContext(ctx, "INSERT INTO fields (name) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM fields WHERE name = ?1)", name); err != nil {
				return err
			}
		}
	}
	return x.each(ctx, func(rows *sql.Rows) error {
		var id int64
		var name string
		err := rows.Scan(&id, &name)
		x.fieldID[name] = id
		return err
	}, "SELECT id, name FROM fields")
}

// each calls f with every row of an answer.
func (x *Index) each(ctx context.Context, f func(*sql.Rows) error, statement string, args ...any) error {
	rows, err := x.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err reports what went wrong
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// Close closes the index.
func (x *Index) Close() error { return x.db.Close() }

// Name implements [sinks.Engine].
func (x *Index) Name() string { return Name }

// Ready implements [sinks.Engine].
func (x *Index) Ready(ctx context.Context, _ string) error { return x.db.PingContext(ctx) }

// Fields returns the fields that can be searched.
func (x *Index) Fields() query.Fields { return x.fields }

// kindOf returns what an index contains, by its name.
func kindOf(name string) string {
	switch {
	case strings.HasPrefix(name, "logs-"+schemas.EventDataset+"-"):
		return "event"
	case strings.HasPrefix(name, "changetrail-record-"):
		return "record"
	case strings.HasPrefix(name, "changetrail-finding-"):
		return "finding"
	case strings.HasPrefix(name, schemas.HealthAlias+"-"):
		return "health"
	}
	return ""
}

// Put implements [sinks.Engine]: all of docs in one transaction, synced.
func (x *Index) Put(ctx context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	x.write.Lock()
	defer x.write.Unlock()
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	w := &writer{Index: x, tx: tx, ctx: ctx, n: x.lastN, fresh: make(map[fieldTerm]int64)}
	defer w.rollback()
	out := make([]sinks.Outcome, len(docs))
	for i, d := range docs {
		if out[i], err = w.put(d); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
	}
	if w.health {
		err = w.dropHealth(time.Now())
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	w.committed()
	return out, nil
}

// A writer is one write transaction.
type writer struct {
	*Index
	tx     *sql.Tx
	ctx    context.Context
	n      int64
	fresh  map[fieldTerm]int64 // ids assigned in this transaction
	done   bool
	health bool // it wrote statements about the pipeline
}

func (w *writer) rollback() {
	if !w.done {
		_ = w.tx.Rollback()
	}
}

// committed caches the ids that the transaction assigned.
func (w *writer) committed() {
	w.done, w.lastN = true, w.n
	if len(w.termID) > maxCached {
		clear(w.termID)
	}
	for k, id := range w.fresh {
		w.termID[k] = id
	}
}

// head is the part of a document by which it is listed.
type head struct {
	Timestamp time.Time `json:"@timestamp"`
	Event     struct {
		Provider string    `json:"provider"`
		Created  time.Time `json:"created"`
	} `json:"event"`
	Trail struct {
		Change struct {
			ID string `json:"id"`
		} `json:"change"`
		Repository record.Repository `json:"repository"`
		Refs       []record.Ref      `json:"refs"`
	} `json:"changetrail"`
}

// newer is the condition under which a document replaces the stored one. One of the same revision
// with different content also does: the embedded broker may lose the state of a transaction but
// keep its records, and the enricher then uses the revision again.
const newer = "excluded.version > version OR (excluded.version = version AND version > 0 AND excluded.doc <> doc)"

func (w *writer) put(d sinks.Document) (sinks.Outcome, error) {
	kind := kindOf(d.Index)
	m, ok := w.mappings[kind]
	if !ok {
		return sinks.Outcome{Kind: sinks.Refused, Reason: fmt.Sprintf("%q is not an index of events, records, findings or the health of the pipeline", d.Index)}, nil
	}
	var values []value
	if err := m.read(d.Body, func(v value) { values = append(values, v) }); err != nil {
		return sinks.Outcome{Kind: sinks.Refused, Reason: err.Error()}, nil
	}
	var h head
	if err := json.Unmarshal(d.Body, &h); err != nil {
		return sinks.Outcome{Kind: sinks.Refused, Reason: err.Error()}, nil
	}
	if kind == "record" {
		return w.putRecord(d, h, values)
	}
	if kind == "health" {
		w.health, h.Timestamp = true, h.Event.Created // a silence has the time at which it began
	}
	return w.putDocument(d, h, kind == "event")
}

func (w *writer) putRecord(d sinks.Document, h head, values []value) (sinks.Outcome, error) {
	terms, numbers, err := w.encode(values)
	if err != nil {
		return sinks.Outcome{}, err
	}
	w.n++
	res, err := w.tx.ExecContext(w.ctx, `INSERT INTO records (n, id, version, name, at, terms, numbers, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET n=excluded.n, version=excluded.version, name=excluded.name, at=excluded.at, terms=excluded.terms, numbers=excluded.numbers, doc=excluded.doc
		WHERE `+newer,
		w.n, d.ID, d.Version, d.Index, h.Timestamp.UnixMilli(), terms, numbers, d.Body)
	if err != nil {
		return sinks.Outcome{}, err
	}
	return outcomeOf(res)
}

func outcomeOf(res sql.Result) (sinks.Outcome, error) {
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return sinks.Outcome{Kind: sinks.Stale}, err
	}
	return sinks.Outcome{Kind: sinks.Done}, nil
}

// putDocument stores an event, a finding or a statement about the pipeline.
func (w *writer) putDocument(d sinks.Document, h head, event bool) (sinks.Outcome, error) {
	var number int64
	err := w.tx.QueryRowContext(w.ctx, `INSERT INTO documents (name, id, version, change, at, doc) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (name, id) DO UPDATE SET version=excluded.version, change=excluded.change, at=excluded.at, doc=excluded.doc
		WHERE `+newer+` RETURNING d`,
		d.Index, d.ID, d.Version, h.Trail.Change.ID, h.Timestamp.UnixMilli(), d.Body).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return sinks.Outcome{Kind: sinks.Stale}, nil
	}
	if err != nil {
		return sinks.Outcome{}, err
	}
	if event {
		w.arrivals.note(h.Event.Provider, h.Event.Created)
		for _, ref := range h.Trail.Refs {
			if err := addRef(w.ctx, w.tx, refKey(h.Trail.Repository, ref), number); err != nil {
				return sinks.Outcome{}, err
			}
		}
	}
	return sinks.Outcome{Kind: sinks.Done}, nil
}

// encode writes terms as ascending ids, each as the difference from the previous one, and numbers
// as pairs of field and value.
func (w *writer) encode(values []value) (terms, numbers []byte, err error) {
	ids := make([]int64, 0, len(values))
	for _, v := range values {
		f := w.fieldID[v.field]
		if !v.isTerm {
			numbers = binary.AppendUvarint(numbers, uint64(f))
			numbers = binary.LittleEndian.AppendUint64(numbers, math.Float64bits(v.number))
			continue
		}
		id, err := w.term(fieldTerm{f, v.term})
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
		if id, err = w.term(fieldTerm{presence, v.field}); err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	last := int64(0)
	for _, id := range slices.Compact(ids) {
		terms = binary.AppendUvarint(terms, uint64(id-last))
		last = id
	}
	if terms == nil {
		terms = []byte{}
	}
	if numbers == nil {
		numbers = []byte{}
	}
	return terms, numbers, nil
}

func (w *writer) term(t fieldTerm) (id int64, err error) {
	if id, ok := w.termID[t]; ok {
		return id, nil
	}
	if id, ok := w.fresh[t]; ok {
		return id, nil
	}
	err = w.tx.QueryRowContext(w.ctx, "SELECT id FROM terms WHERE field = ? AND value = ?", t.field, t.value).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		var res sql.Result
		if res, err = w.tx.ExecContext(w.ctx, "INSERT INTO terms (field, value) VALUES (?, ?)", t.field, t.value); err == nil {
			id, err = res.LastInsertId()
		}
	}
	if err == nil {
		w.fresh[t] = id
	}
	return id, err
}

// Record returns the newest revision of a record; nil if there is none.
func (x *Index) Record(ctx context.Context, id string) (jsontext.Value, error) {
	var doc []byte
	err := x.db.QueryRowContext(ctx, "SELECT doc FROM records WHERE id = ?", id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return doc, err
}

// Each calls f with every document of the index: its index, id and version, as Put accepts them.
func (x *Index) Each(ctx context.Context, f func(sinks.Document) error) error {
	return x.each(ctx, func(rows *sql.Rows) error {
		var d sinks.Document
		if err := rows.Scan(&d.Index, &d.ID, &d.Version, &d.Body); err != nil {
			return err
		}
		return f(d)
	}, "SELECT name, id, version, doc FROM documents UNION ALL SELECT name, id, version, doc FROM records")
}

// Get returns one document and its version; nil if there is none.
func (x *Index) Get(ctx context.Context, index, id string) (doc []byte, version int64, err error) {
	table := "documents"
	if kindOf(index) == "record" {
		table = "records"
	}
	err = x.db.QueryRowContext(ctx, "SELECT doc, version FROM "+table+" WHERE name = ? AND id = ?", index, id).Scan(&doc, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return doc, version, err
}
