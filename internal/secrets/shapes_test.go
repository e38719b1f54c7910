//go:build unix

package secrets

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// documents are JSON documents of about n bytes in twenty shapes of real events.
func documents(n int) map[string]string {
	m := maker{rand.New(rand.NewPCG(5, 7))}
	fill := func(piece func() string) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(piece())
		}
		return b.String()
	}
	out := map[string]string{
		"deep lists":     `{"x":` + strings.Repeat("[", 900) + inQuotes(fill(func() string { return m.of(alnum, 8) + " " })) + strings.Repeat("]", 900) + "}",
		"many members":   "{" + fill(func() string { return fmt.Sprintf("%q:%d,", m.of(alnum, 12), m.IntN(1000)) }) + `"z":0}`,
		"many secrets":   "{" + fill(func() string { return fmt.Sprintf(`%q:{"password":%q},`, m.of(alnum, 12), m.of(alnum, 14)) }) + `"z":0}`,
		"many strings":   `{"x":[` + fill(func() string { return fmt.Sprintf("%q,", m.of(alnum, 20)) }) + `""]}`,
		"numbers":        `{"x":[` + fill(func() string { return fmt.Sprint(m.Uint64(), ",") }) + `0]}`,
		"OTLP":           `{"resourceSpans":[` + fill(func() string { return oneSpan(m) + "," }) + oneSpan(m) + `]}`,
		"JSON in JSON":   `{"x":` + inQuotes(`{"y":[`+fill(func() string { return fmt.Sprintf(`{"token":%q},`, m.of(alnum, 24)) })+`0]}`) + "}",
		"escapes":        `{"x":"` + fill(func() string { return fmt.Sprintf(`\u00%02x\n`, 'a'+m.IntN(26)) }) + `"}`,
		"hidden escapes": `{"x":"` + fill(func() string { return `\u0067\u0068\u0070_` + m.of(alnum, 36) + " " }) + `"}`,
	}
	for name, piece := range map[string]func() string{
		"tokens":                   func() string { return "gh" + "p_" + m.of(alnum, 36) + " " },
		"passwords":                func() string { return "password=" + m.of(alnum, 10) + "\n" },
		"addresses with passwords": func() string { return "https://u:" + m.of(alnum, 8) + "@h/x " },
		"base64":                   func() string { return m.of(alnum+"+/", 76) + "\n" },
		"one line":                 func() string { return m.of(alnum, 64) },
		"names without values":     func() string { return "key token secret auth " },
		"prefixes without secrets": func() string { return "eyJ ghp_ sk- AKIA key: " },
		"private keys": func() string {
			return "-----BEGIN RSA PRIVATE KEY-----\n" + m.of(alnum, 64) + "\n-----END RSA PRIVATE KEY-----\n"
		},
		"CSV": func() string {
			return fmt.Sprintf("%d,%s,%q,%s\n", m.IntN(1000), m.of(alnum, 10), m.of(alnum, 12), m.of(hexes, 40))
		},
		"a diff": func() string { return "+  const " + m.of(alnum, 8) + " = require('" + m.of(alnum, 6) + "');\n" },
		"a log": func() string {
			return fmt.Sprintf("2026-03-01T03:47:00Z level=info msg=\"read %d events of acme/payments\" took=3ms\n", m.IntN(1000))
		},
	} {
		out[name] = `{"x":` + inQuotes(fill(piece)) + "}"
	}
	return out
}

func inQuotes(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return `""`
	}
	return string(b)
}

func oneSpan(m maker) string {
	return fmt.Sprintf(`{"scopeSpans":[{"spans":[{"traceId":%q,"name":"execute_tool","attributes":[{"key":"gen_ai.tool.name","value":{"stringValue":%q}},{"key":"token","value":{"stringValue":%q}}]}]}]}`, m.of(hexes, 32), m.of(alnum, 8), m.of(alnum, 20))
}

func BenchmarkDocuments(b *testing.B) {
	r := redactor(b, Redacted)
	for _, n := range []int{28 << 10, 230 << 10, 920 << 10} {
		all := documents(n)
		for _, shape := range sortedKeys(all) {
			b.Run(fmt.Sprintf("%s/%dKiB", shape, n>>10), func(b *testing.B) {
				data := []byte(all[shape])
				b.ReportAllocs()
				before := cpu(b)
				for b.Loop() {
					if err := redacted(b, r, data); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)/(float64(len(data))/1e6), "cpu-s/MB")
			})
		}
	}
}

// cpu returns the CPU time that the process used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func redacted(b *testing.B, r *Redactor, data []byte) error {
	_, _, err := r.JSON(b.Context(), data, func([]string) bool { return false })
	return err
}
