package stream

import (
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
)

// SignDocument adds an enricher's signature to a message for sinks: over its key, its
// value, and the headers that it has by then. Without a key that signs it adds nothing.
func SignDocument(keys signing.Keys, r *Record) {
	if !keys.CanSign() {
		return
	}
	AddHeader(r, HeaderSignature, []byte(schemas.SignDocument(keys, r.Key, r.Value, headersOf(r)...)))
}

// Signed reports whether an enricher with one of these keys wrote a message. Where there
// are no keys that cannot be told, and each counts as written by one.
func Signed(keys signing.Keys, r *Record) bool {
	if !keys.Any() {
		return true
	}
	return schemas.VerifyDocument(keys, string(Header(r, HeaderSignature)), r.Key, r.Value, headersOf(r)...)
}

// headersOf are names and values of the headers in turn, without the signature.
func headersOf(r *Record) []string {
	out := make([]string, 0, 2*len(r.Headers))
	for _, h := range r.Headers {
		if h.Key != HeaderSignature {
			out = append(out, h.Key, string(h.Value))
		}
	}
	return out
}
