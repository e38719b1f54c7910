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

// Modes in which an envelope travels.
const (
	Structured = iota
	Binary
	Batch
	modes
)

// A Case is one envelope, and how it is sent.
type Case struct {
	Name       string // what is done to it
	Mode       int
	As         int               // whose credential: a number below the one that New was given
	Attributes map[string]string // all but data
	Data       []byte
	Blob       []byte // what lies in the blob store, for dataref; nil: nothing
	Key        string // of the Kafka record
}

// New returns n cases, which are to be sent with so many different credentials. now is
// about when they are sent.
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

// byReference puts the data elsewhere.
func (c *Case) byReference() {
	if len(c.Data) == 0 {
		return
	}
	c.Name += ", by dataref"
	c.Blob, c.Data = c.Data, nil
	c.Attributes["dataref"] = digests.Of(c.Blob)
}

// names are the attributes in one order.
func (c *Case) names() []string { return slices.Sorted(maps.Keys(c.Attributes)) }

// structured is c as JSON. Data that are no JSON make it none.
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

// quote is s as a string of JSON, with what is no UTF-8 as it is.
func quote(s string) string {
	if strings.ToValidUTF8(s, "") != s {
		return `"` + s + `"`
	}
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

// HTTP is c as a request; good is another event, to make a batch with.
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

// Kafka is c as its sender would write it to Kafka.
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
