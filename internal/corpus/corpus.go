package corpus

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/schemas"
)

// Modes in which an envelope is sent.
const (
	Structured = iota
	Binary
	Batch
	modes
)

// A Case is one envelope and how it is sent.
type Case struct {
	Name       string // what was changed in it
	Mode       int
	As         int               // which credential: a number below the argument of New
	Attributes map[string]string // all but data
	Data       []byte
	Blob       []byte // file in the blob store, for dataref; may be nil
	Key        string // of the Kafka record
}

// New returns n cases, which are to be sent with the given number of different credentials, at
// about now.
func New(seed uint64, n, credentials int, now time.Time) []Case {
	r := rand.New(rand.NewPCG(seed, 4829))
	out := make([]Case, n)
	for i := range out {
		m := &maker{Rand: r, now: now}
		c := m.base(i)
		c.As, c.Mode = r.IntN(credentials), r.IntN(modes)
		for range r.IntN(3) {
			change := changes[r.IntN(len(changes))]
			change.do(m, &c)
			c.Name += ", " + change.name
		}
		if r.IntN(4) == 0 && c.Attributes["dataref"] == "" {
			c.byReference()
		}
		out[i] = c
	}
	return out
}

// byReference moves the data into the blob store.
func (c *Case) byReference() {
	if len(c.Data) == 0 {
		return
	}
	c.Name += ", by dataref"
	c.Blob, c.Data = c.Data, nil
	c.Attributes["dataref"] = digests.Of(c.Blob)
}

// names returns the names of the attributes in sorted order.
func (c *Case) names() []string { return slices.Sorted(maps.Keys(c.Attributes)) }

// structured returns c as JSON. If the data is not JSON, neither is the result.
func (c *Case) structured() []byte {
	b := []byte("{")
	for _, name := range c.names() {
		b = fmt.Appendf(b, "%s:%s,", quote(name), quote(c.Attributes[name]))
	}
	if len(c.Data) > 0 {
		b = append(append(b, `"data":`...), c.Data...)
	} else {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// quote returns s as a JSON string, with invalid UTF-8 unchanged.
func quote(s string) string {
	if strings.ToValidUTF8(s, "") != s {
		return `"` + s + `"`
	}
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

// HTTP returns c as a request; good is another event for a batch.
func (c *Case) HTTP(good []byte) (http.Header, []byte) {
	h := make(http.Header)
	switch c.Mode {
	case Structured:
		h.Set("Content-Type", schemas.ContentTypeEvent)
		return h, c.structured()
	case Batch:
		h.Set("Content-Type", schemas.ContentTypeBatch)
		return h, slices.Concat([]byte("["), c.structured(), []byte(","), good, []byte("]"))
	}
	for name, value := range c.Attributes {
		if name == "datacontenttype" {
			h.Set("Content-Type", value)
			continue
		}
		h.Set("Ce-"+name, strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	return h, c.Data
}

// Kafka returns c as its sender would write it to Kafka.
func (c *Case) Kafka(at time.Time) schemas.Message {
	m := schemas.Message{Key: []byte(c.Key), Time: at, Value: c.Data}
	if c.Mode != Binary {
		m.Headers = []schemas.Header{{Key: "content-type", Value: []byte(schemas.ContentTypeEvent)}}
		m.Value = c.structured()
		return m
	}
	for _, name := range c.names() {
		key := "ce_" + name
		if name == "datacontenttype" {
			key = "content-type"
		}
		m.Headers = append(m.Headers, schemas.Header{Key: key, Value: []byte(c.Attributes[name])})
	}
	return m
}
