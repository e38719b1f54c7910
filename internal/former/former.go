// Package former reads what an enricher of a former version left in Kafka, for tests of upgrades.
package former

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/stream"
)

// Left is the content of a folder such as enricher/testdata/former: see the README there.
type Left struct {
	Read, Unread []*stream.Record // events
	State        []*stream.Record
	Records      []*stream.Record // the last one of each change, with its revision and its digest only
	Policy       *policy.Policy
	Controls     *controls.Matrix
}

// Read reads a folder.
func Read(dir string) (*Left, error) {
	l := new(Left)
	var errs [5]error
	l.Policy, errs[0] = parsed(filepath.Join(dir, "policy.yaml"), policy.Parse)
	l.Controls, errs[1] = parsed(filepath.Join(dir, "controls.yaml"), controls.Parse)
	errs[2] = eachLine(filepath.Join(dir, "events.jsonl.gz"), func(m line) {
		if m.Unread {
			l.Unread = append(l.Unread, m.message())
		} else {
			l.Read = append(l.Read, m.message())
		}
	})
	errs[3] = eachLine(filepath.Join(dir, "state.jsonl.gz"), func(m line) { l.State = append(l.State, m.message()) })
	errs[4] = eachLine(filepath.Join(dir, "records.jsonl.gz"), func(m line) {
		m.Value = fmt.Sprintf(`{"changetrail":{"evidence_digest":%q,"revision":%d}}`, m.Digest, m.Revision)
		l.Records = append(l.Records, m.message())
	})
	return l, errors.Join(errs[:]...)
}

func parsed[T any](file string, parse func([]byte) (*T, error)) (*T, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// A line is one message. Of records only the revision and the digest are kept.
type line struct {
	Partition int32       `json:"p"`
	Offset    int64       `json:"o"`
	Time      int64       `json:"t"` // in milliseconds
	Unread    bool        `json:"unread"`
	Key       string      `json:"k"`
	Headers   [][2]string `json:"h"`
	Value     string      `json:"v"`
	Bytes     []byte      `json:"b"` // of a value that is no text
	Revision  int64       `json:"revision"`
	Digest    string      `json:"digest"`
}

func (l line) message() *stream.Record {
	r := &stream.Record{Partition: l.Partition, Offset: l.Offset, Timestamp: time.UnixMilli(l.Time).UTC(), Key: []byte(l.Key), Value: append([]byte(l.Value), l.Bytes...)}
	for _, h := range l.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return r
}

// eachLine passes each line of a compressed file to f.
func eachLine(name string, f func(line)) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	z, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f(l)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
