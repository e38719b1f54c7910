package lake

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
)

// A Row is a document as a file has it.
type Row struct {
	Table string    // the file's table
	Time  time.Time // when it happened; says to which day it belongs
	Body  []byte    // JSON on one line
}

// A Format turns documents into files.
type Format interface {
	// Extension is the end of the names of files, for example parquet.
	Extension() string
	// Row makes the row of a document. An error is the fault of the document.
	Row(d sinks.Document) (Row, error)
	// Encode writes the rows of one table, sorted by time. An error is that of w.
	Encode(w io.Writer, rows []Row) error
}

// Lines is the format of compressed JSON lines: the documents as the search indexes have them, in
// the tables events, records and findings.
type Lines struct{}

// Extension implements [Format].
func (Lines) Extension() string { return "jsonl.gz" }

// Row implements [Format].
func (Lines) Row(d sinks.Document) (Row, error) {
	body := jsontext.Value(bytes.Clone(d.Body))
	if err := body.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return Row{}, fmt.Errorf("the document is not JSON: %w", err)
	}
	var what struct {
		Timestamp time.Time `json:"@timestamp"`
		Event     struct {
			Dataset string `json:"dataset"`
		} `json:"event"`
	}
	if err := json.Unmarshal(body, &what, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return Row{}, fmt.Errorf("the document cannot be read: %w", err)
	}
	table, known := map[string]string{schemas.EventDataset: "events", schemas.RecordDataset: "records", schemas.FindingDataset: "findings"}[what.Event.Dataset]
	switch {
	case !known:
		return Row{}, fmt.Errorf("event.dataset is %q, so that the document belongs to none of the tables events, records and findings", what.Event.Dataset)
	case what.Timestamp.IsZero():
		return Row{}, fmt.Errorf("the document has no @timestamp, so that it belongs to no day")
	}
	return Row{table, what.Timestamp, body}, nil
}

// Encode implements [Format].
func (Lines) Encode(w io.Writer, rows []Row) error {
	z := gzip.NewWriter(w)
	for _, r := range rows {
		if _, err := z.Write(append(r.Body, '\n')); err != nil {
			return err
		}
	}
	return z.Close()
}
