package corpus

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// A change is one modification of a case.
type change struct {
	name string
	do   func(*maker, *Case)
}

// set returns a change that sets an attribute to one of values.
func set(name string, values ...string) change {
	return change{name, func(m *maker, c *Case) { c.Attributes[name] = m.pick(values...) }}
}

func drop(names ...string) change {
	return change{"a required attribute is missing", func(m *maker, c *Case) { delete(c.Attributes, m.pick(names...)) }}
}

// data returns a change of the data.
func data(name string, do func(m *maker, data string) string) change {
	return change{name, func(m *maker, c *Case) { c.Data = []byte(do(m, string(c.Data))) }}
}

// member adds a member to data that is an object.
func member(name string, members ...string) change {
	return data(name, func(m *maker, data string) string {
		if !strings.HasPrefix(data, "{") || len(data) < 3 {
			return data
		}
		return "{" + m.pick(members...) + "," + data[1:]
	})
}

func replaced(name, old, by string) change {
	return data(name, func(_ *maker, data string) string { return strings.Replace(data, old, by, 1) })
}

var changes = []change{
	drop("specversion", "id", "source", "type"),
	set("specversion", "0.3", "1.1", ""),
	set("id", "", " ", " x ", "a\x00b", "a\xffb", strings.Repeat("i", 1024), strings.Repeat("i", 1025), "ü\u2028"),
	set("source", "/a b", "%zz", "10.0.0.1:80", "ü", "urn:x:y", "/a?b=c#d", "", "/a\x00", "HTTP://Example.com/A%2fb"),
	set("type", "com.example.thing", "dev.changetrail.x", "com.github.", "dev.cdevents.x", record.TypeActionPerformed, record.TypeRunNamed, record.TypeIdentityRefused),
	set("subject", Payments+"/pull/4829", Docs+"/pull/1", "acme/payments#4829", "https://GitHub.com/acme/docs/pull/1", "github.com/Acme/Payments/pull/4829", "g/p!12", "x", " ", "github.com/acme/payments/issues/1", "github.com/"+strings.Repeat("x", 600)+"/p/pull/1"),
	set("partitionkey", Payments, Docs, "https://github.com/acme/docs.git", "github.com/ACME/payments", "acme/payments", "run:r-1", "run:https://github.com/acme/payments/actions/runs/1", "run:4bf92f3577b34da6a3ce929d0e0e4736", Docs+"/pull/7", "\x00", "x y"),
	set("datacontenttype", "application/JSON", "application/json ; charset=utf-8", "application/json;charset=utf-8", "application/vnd.acme+json", "text/json", "text/plain", "json", "application/xml", "Application/Problem+JSON", "application/octet-stream"),
	set("authtype", "system", "user"), set("authid", "gateway", "mira"), set("authmac", "00"), set("contentmode", "full"), set("redacted", "none"),
	set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x", "\x00"),
	set("dataschema", "https://example.com/s", "%zz"), set("sequence", "7"), set("comexampleextension", "x", strings.Repeat("y", 30_000)),
	set("dataref", digests.Of([]byte("nothing")), "https://example.org/x", "x", "\x00"),
	{"dataref beside its data", func(_ *maker, c *Case) { c.Attributes["dataref"] = digests.Of(c.Data) }},
	{"dataref to nothing", func(m *maker, c *Case) {
		c.Data, c.Attributes["dataref"] = nil, m.pick(digests.Of([]byte("nothing")), "https://example.org/x", "sha256:00")
	}},
	{"dataref to other data", func(m *maker, c *Case) {
		c.Blob = bytes.ReplaceAll(c.Data, []byte(`"id":"a"`), []byte(`"id":"b"`))
		c.Attributes["dataref"] = digests.Of(c.Blob)
		if m.IntN(2) == 0 {
			c.Data = []byte("null")
		}
	}},
	{"time", func(m *maker, c *Case) {
		c.Attributes["time"] = m.now.Add([]time.Duration{96 * time.Hour, 23*time.Hour + 30*time.Minute, time.Hour, -19 * 365 * 24 * time.Hour, -21 * 365 * 24 * time.Hour, -20*365*24*time.Hour + 24*time.Hour}[m.IntN(6)]).UTC().Format(time.RFC3339)
	}},
	set("time", "yesterday", "", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z", "2026-03-01 03:47:00Z", "2026-03-01T03:47:00.123456789+02:00"),
	{"no time", func(_ *maker, c *Case) { delete(c.Attributes, "time") }},
	{"a time within", func(m *maker, c *Case) {
		old := m.now.Add(-time.Minute).UTC().Format(time.RFC3339)
		c.Data = bytes.ReplaceAll(c.Data, []byte(old), []byte(m.pick(m.now.Add(96*time.Hour).UTC().Format(time.RFC3339), "x", "1970-01-01T00:00:00Z")))
	}},

	data("other data", func(m *maker, _ string) string {
		return m.pick("", " ", "null", "[]", "{}", `"x"`, "7", "{", "\ufeff{}", "prose", "true")
	}),
	data("cut off", func(m *maker, data string) string { return data[:m.IntN(len(data)+1)] }),
	data("space around it", func(_ *maker, data string) string { return " \n\t" + data + "\r\n " }),
	data("something behind it", func(_ *maker, data string) string { return data + "x" }),
	member("an unknown member", `"x":1`, `"x":null`, `"x":{"y":[1,2,{}]}`, `"x":1e308`, `"x":-0.0`, `"x":"\u0000"`),
	member("a number out of range", `"x":1e999`, `"x":-1E+400`, `"x":1e-999`, `"x":1`+strings.Repeat("0", 400), `"arguments":{"n":1e999}`, `"x":[1,{"y":1e999}]`),
	member("a string that looks like one", `"x":"1e999"`, `"x":"\"1e999"`, `"x\\":"1e999"`),
	member("a member twice", `"x":1,"x":2`, `"agent":{"id":"a"},"agent":{"id":"b"}`, `"x":{"y":1,"y":2}`),
	member("a long name", `"`+strings.Repeat("n", 10_000)+`":1`, `"`+strings.Repeat("n", 60_000)+`":1`),
	member("nesting", `"x":`+strings.Repeat("[", 90)+strings.Repeat("]", 90), `"x":`+strings.Repeat("[", 1100)+strings.Repeat("]", 1100), `"x":`+strings.Repeat(`{"a":`, 11_000)+"1"+strings.Repeat("}", 11_000)),
	member("no UTF-8", "\"x\":\"\xff\"", `"x":"\ud800"`, "\"\xc3\":1"),
	member("data.repository", `"repository":"`+Payments+`"`, `"repository":"`+Docs+`"`, `"repository":"payments"`, `"repository":"https://github.com/ACME/payments"`, `"repository":7`, `"repository":"`+strings.Repeat("r", 513)+`"`),
	member("large", `"x":"`+strings.Repeat("y", 100_000)+`"`, `"rationale":"`+strings.Repeat("y", 8192)+`"`, `"rationale":"`+strings.Repeat("y", 8193)+`"`, `"files":["`+strings.Repeat("f", 1025)+`"]`),
	member("very large", `"x":"`+strings.Repeat("y", 1_200_000)+`"`, `"result":"`+strings.Repeat("y", 1_200_000)+`"`),
	replaced("another agent", `"id":"a"`, `"id":"b"`), replaced("an agent without a name", `"id":"a"`, `"id":""`), replaced("an agent that is a number", `"id":"a"`, `"id":7`),
	replaced("a person", `"mira"`, `"ana"`), replaced("an unknown verdict", `"approved"`, `"maybe"`), replaced("a member of another case", `"agent"`, `"Agent"`),
	replaced("a commit that is none", `1111111`, `xyz`), replaced("another repository within", "acme/payments", "acme/docs"),
	{"a large action", func(_ *maker, c *Case) {
		c.Attributes["type"] = record.TypeActionPerformed
		c.Data = []byte(`{"agent":{"id":"a","run":"r-1"},"tool":"Bash","result":"` + strings.Repeat("y", 1_200_000) + `"}`)
	}},
	{"a digest that is wrong", func(_ *maker, c *Case) {
		c.Data = bytes.Replace(c.Data, []byte(`"report":{`), fmt.Appendf(nil, `"report":{"digest":%q,`, digests.Of([]byte("x"))), 1)
	}},
}
