package schemas

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// Append appends d to b as [Encode] writes it, several times faster: it is the
// one document that is written for each event. A test holds the two together.
func (d *EventDocument) Append(b []byte) []byte {
	w := appender{b: b}
	w.open("")
	w.time("@timestamp", d.Timestamp)
	w.text("message", d.Message)
	w.open("ecs")
	w.always("version", d.ECS.Version)
	w.close()
	w.open("data_stream")
	w.always("type", d.DataStream.Type)
	w.always("dataset", d.DataStream.Dataset)
	w.always("namespace", d.DataStream.Namespace)
	w.close()
	w.event(d.Event)
	w.list("tags", d.Tags)
	if s := d.Service; s != nil {
		w.open("service")
		w.always("name", s.Name)
		w.text("environment", s.Environment)
		w.close()
	}
	if u := d.User; u != nil {
		w.open("user")
		w.always("name", u.Name)
		w.close()
	}
	w.genAI(d.GenAI)
	if d.Package != nil {
		w.value("package", d.Package)
	}
	if d.Trace != nil {
		w.open("trace")
		w.always("id", d.Trace.ID)
		w.close()
	}
	w.trail(&d.Trail)
	w.close()
	return w.b
}

// An appender writes members of JSON objects.
type appender struct {
	b    []byte
	more bool // a member stands before in the object at hand
}

func (w *appender) name(n string) {
	if w.more {
		w.b = append(w.b, ',')
	}
	w.more = true
	w.b = append(w.b, '"')
	w.b = append(w.b, n...)
	w.b = append(w.b, '"', ':')
}

func (w *appender) open(n string) {
	if n != "" {
		w.name(n)
	}
	w.b = append(w.b, '{')
	w.more = false
}

func (w *appender) close() {
	w.b = append(w.b, '}')
	w.more = true
}

func (w *appender) quote(s string) { w.b, _ = jsontext.AppendQuote(w.b, s) }

func (w *appender) always(n, s string) {
	w.name(n)
	w.quote(s)
}

func (w *appender) text(n, s string) {
	if s != "" {
		w.always(n, s)
	}
}

func (w *appender) time(n string, t time.Time) {
	w.name(n)
	w.b = append(w.b, '"')
	w.b = t.AppendFormat(w.b, time.RFC3339Nano)
	w.b = append(w.b, '"')
}

func (w *appender) list(n string, list []string) {
	if len(list) > 0 {
		w.allOf(n, list)
	}
}

func (w *appender) allOf(n string, list []string) {
	w.name(n)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote(s)
	}
	w.b = append(w.b, ']')
}

func (w *appender) value(n string, v any) {
	text, err := Encode(v)
	if err != nil {
		text = []byte("null") // structs of strings: cannot fail
	}
	w.name(n)
	w.b = append(w.b, text...)
}

func (w *appender) event(e EventFields) {
	w.open("event")
	w.always("id", e.ID)
	w.always("kind", e.Kind)
	w.allOf("category", e.Category)
	w.allOf("type", e.Type)
	w.always("action", e.Action)
	w.always("dataset", e.Dataset)
	w.always("module", e.Module)
	w.always("provider", e.Provider)
	w.text("outcome", e.Outcome)
	w.time("created", e.Created)
	w.text("sequence", e.Sequence)
	w.text("url", e.URL)
	w.close()
}

func (w *appender) genAI(g *record.GenAI) {
	if g == nil {
		return
	}
	w.open("gen_ai")
	w.open("agent")
	w.always("id", g.Agent.ID)
	w.text("name", g.Agent.Name)
	w.text("version", g.Agent.Version)
	w.close()
	if g.Provider != nil {
		w.open("provider")
		w.always("name", g.Provider.Name)
		w.close()
	}
	if g.Request != nil {
		w.open("request")
		w.always("model", g.Request.Model)
		w.close()
	}
	w.close()
}

func (w *appender) trail(t *EventTrail) {
	w.open("changetrail")
	w.open("event")
	w.always("type", t.Event.Type)
	w.always("digest", t.Event.Digest)
	w.text("authtype", t.Event.AuthType)
	w.text("authid", t.Event.AuthID)
	w.text("dataref", t.Event.DataRef)
	w.close()
	if c := t.Change; c != nil {
		w.open("change")
		w.always("id", string(c.ID))
		w.text("number", c.Number)
		w.text("kind", c.Kind)
		w.text("state", c.State)
		w.text("initiated_by", c.InitiatedBy)
		w.close()
	}
	w.always("repository", string(t.Repository))
	if s := t.Service; s != nil {
		w.open("service")
		w.list("names", s.Names)
		w.text("classification", s.Classification)
		w.list("data_classes", s.DataClasses)
		w.list("owners", s.Owners)
		w.text("policy_digest", s.PolicyDigest)
		w.close()
	}
	if c := t.Control; c != nil {
		w.open("control")
		w.list("tags", c.Tags)
		w.text("matrix_digest", c.MatrixDigest)
		w.close()
	}
	w.list("environment", t.Environment)
	w.text("tool", t.Tool)
	w.list("files", t.Files)
	if len(t.Data) > 0 {
		w.name("data")
		w.b = append(w.b, t.Data...)
	}
	if t.DataText != "" {
		w.name("data_text")
		w.quote(t.DataText)
	}
	w.close()
}
