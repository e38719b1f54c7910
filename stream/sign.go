package stream

import (
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
)

// SignDocument adds the enricher's signature to a message for sinks. It covers the key, the value
// and the headers that the message already has. Without a signing key it does nothing.
func SignDocument(keys signing.Keys, r *Record) {
	if !keys.CanSign() {
		return
	}
	AddHeader(r, HeaderSignature, []byte(schemas.SignDocument(keys, r.Key, r.Value, headersOf(r)...)))
}

// Signed reports whether an enricher with one of these keys wrote a message. Without keys nobody
// can know, and it returns true.
func Signed(keys signing.Keys, r *Record) bool {
	if !keys.Any() {
		return true
	}
	return schemas.VerifyDocument(keys, string(Header(r, HeaderSignature)), r.Key, r.Value, headersOf(r)...)
}

// headersOf returns the names and values of the headers in turn, without the signature.
func headersOf(r *Record) []string {
	out := make([]string, 0, 2*len(r.Headers))
	for _, h := range r.Headers {
		if h.Key != HeaderSignature {
			out = append(out, h.Key, string(h.Value))
		}
	}
	return out
}
