package secrets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// lawful checks the laws for a text: redacting again changes nothing, JSON stays JSON, and the
// check of undecoded data misses nothing.
func lawful(t *testing.T, r *Redactor, text string) {
	once, _, err := r.Text(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if twice, _, _ := r.Text(t.Context(), once); twice != once {
		t.Errorf("%q became %q and then %q", text, once, twice)
	}
	data, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return // no UTF-8
	}
	for _, form := range []string{`{"arguments":{"command":%s,"x":[%s]}}`, `{"api_key":%s}`, `{%s:1,"password":"y"}`, `[%s,"z"]`, `{"name":%s,"value":"hunter2x"}`} {
		in := []byte(strings.ReplaceAll(form, "%s", string(data)))
		out, names, err := r.JSON(t.Context(), in, nil)
		if err != nil || !jsontext.Value(out).IsValid() {
			t.Fatalf("%s became %s: %v", in, out, err)
		}
		again, _, err := r.JSON(t.Context(), out, nil)
		if err != nil || string(again) != string(out) {
			t.Errorf("%s became %s and then %s: %v", in, out, again, err)
		}
		if r.clean(in) {
			w := walk{redaction: redaction{Redactor: r, ctx: t.Context(), left: maxFindings}, data: in, in: jsontext.NewDecoder(strings.NewReader(string(in)))}
			if err := w.value(place{}); err != nil || len(w.names) > 0 {
				t.Errorf("%s is taken for clean, and %v are in it (%v)", in, w.names, names)
			}
		}
	}
}

func FuzzRedaction(f *testing.F) {
	for i, s := range spills() {
		if i%5 == 0 {
			f.Add(s.text)
		}
	}
	f.Add("password=[redacted:named-secret:0123456789abcdef]x token: \x00\xff")
	f.Add("the api key: hunter2hunter2 is\npassword -> 'a\\'b'")
	r := redactor(f, Redacted)
	f.Fuzz(lawfulIn(r))
}

func lawfulIn(r *Redactor) func(*testing.T, string) {
	return func(t *testing.T, text string) { lawful(t, r, text) }
}

// TestTheLawsHoldForMixedTexts puts pieces of the corpus together in many ways.
func TestTheLawsHoldForMixedTexts(t *testing.T) {
	r := redactor(t, Redacted)
	rnd := rand.New(rand.NewPCG(5, 8))
	all := spills()
	glue := []string{" ", "", "\n", "=", ":", "'", `"`, `\"`, "/", "@", "://", ",", " password ", "token=", "&", ";", "[redacted:x:0123456789abcdef]"}
	for range 300 {
		var b strings.Builder
		for range 1 + rnd.IntN(3) {
			s := all[rnd.IntN(len(all))]
			piece := []string{s.text, s.secret, s.text[:rnd.IntN(len(s.text)+1)]}[rnd.IntN(3)]
			b.WriteString(strings.ToValidUTF8(piece, "") + glue[rnd.IntN(len(glue))])
		}
		lawful(t, r, b.String())
	}
}

// TestTooManySecretsAreHiddenAsAWhole: text after the limit never counts as clean.
func TestTooManySecretsAreHiddenAsAWhole(t *testing.T) {
	r := redactor(t, Redacted)
	m := maker{rand.New(rand.NewPCG(1, 1))}
	var b strings.Builder
	for range maxFindings + 500 {
		b.WriteString("gh" + "p_" + m.of(alnum, 36) + "\n")
	}
	tail := "an ordinary end"
	out, names, err := r.Text(t.Context(), b.String()+tail)
	if err != nil || strings.Contains(out, "gh"+"p_") || strings.Contains(out, tail) || names[len(names)-1] != tooMany {
		t.Errorf("%v, %d bytes, ends with %.100q", err, len(out), out[max(0, len(out)-100):])
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	data, err := list(append(lines, tail))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := r.JSON(t.Context(), data, nil)
	if err != nil || !jsontext.Value(got).IsValid() || strings.Contains(string(got), "gh"+"p_") || strings.Contains(string(got), tail) {
		t.Errorf("%v, %d bytes", err, len(got))
	}
}

func list(texts []string) ([]byte, error) {
	out := []byte{'['}
	for i, s := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = jsontext.AppendQuote(out, s); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func TestRedactionStopsWhenNobodyWaits(t *testing.T) {
	r := redactor(t, Redacted)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, _, err := r.Text(ctx, shapes(8 << 20)["tokens"])
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it went on: %v", err)
	}
	stopped := time.Since(begun)
	begun = time.Now()
	if _, _, err := r.Text(t.Context(), shapes(8 << 20)["tokens"]); err != nil {
		t.Fatal(err)
	}
	if whole := time.Since(begun); stopped > whole/2 {
		t.Errorf("it stopped after %s, the whole takes %s", stopped, whole)
	}
}

// shapes are texts of about n bytes.
func shapes(n int) map[string]string {
	m := maker{rand.New(rand.NewPCG(2, 3))}
	fill := func(piece func() string) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(piece())
		}
		return b.String()
	}
	return map[string]string{
		"tokens":    fill(func() string { return "gh" + "p_" + m.of(alnum, 36) + " " }),
		"passwords": fill(func() string { return "password=" + m.of(alnum, 10) + "\n" }),
		"names":     fill(func() string { return "key token secret auth " }),
		"keywords":  fill(func() string { return "eyJ ghp_ sk- AKIA key: " }),
		"log": fill(func() string {
			return fmt.Sprintf("2026-03-01T03:47:00Z level=info msg=\"read %d events of acme/payments\" took=3ms\n", m.IntN(1000))
		}),
		"base64":   fill(func() string { return m.of(alnum+"+/", 76) + "\n" }),
		"urls":     fill(func() string { return "https://u:" + m.of(alnum, 8) + "@h/x " }),
		"one line": fill(func() string { return m.of(alnum, 64) }),
		"markers":  fill(func() string { return "[redacted:github-pat:" + m.of(hexes, 16) + "] " }),
	}
}

// TestTheWorkGrowsWithTheText: four times the text takes about four times as long.
func TestTheWorkGrowsWithTheText(t *testing.T) {
	r := redactor(t, Redacted)
	small, large := shapes(100<<10), shapes(400<<10)
	for shape := range small {
		took := func(text string) time.Duration {
			best := time.Hour
			for range 3 {
				begun := time.Now()
				if _, _, err := r.Text(t.Context(), text); err != nil {
					t.Fatal(err)
				}
				best = min(best, time.Since(begun))
			}
			return best
		}
		one, four := took(small[shape]), took(large[shape])
		if four > 9*one+500*time.Millisecond {
			t.Errorf("%s: 100 KiB take %s, 400 KiB %s", shape, one, four)
		}
	}
}

func BenchmarkShapes(b *testing.B) {
	r := redactor(b, Redacted)
	for _, n := range []int{230 << 10, 460 << 10, 900 << 10, 8 << 20} {
		all := shapes(n)
		for _, shape := range sortedKeys(all) {
			b.Run(fmt.Sprintf("%s/%dKiB", shape, n>>10), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					if _, _, err := r.Text(b.Context(), all[shape]); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/(float64(n)/1e6), "s/MB")
			})
		}
	}
}
