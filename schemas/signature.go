package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
)

// Values of the extension authtype (CloudEvents, auth context extension) that a
// gateway sets. authid says who it is.
const (
	AuthService   = "service_account" // an agent; authid is its id
	AuthSystem    = "system"          // a platform: code host, CI, scanner; authid is its name
	AuthUser      = "user"            // a person; authid is the account
	AuthAnonymous = "unauthenticated"
)

// Uses of signatures. Each has its own format.
const (
	useSender   = "sender"
	useArrival  = "arrival"
	useDocument = "document"
	useRoute    = "route"
)

// Sign returns the value that a gateway puts into the extension authmac of an event after it has
// checked the credential: a signature over all parts of the event that are trusted: its identity,
// its sender, its data, and when it arrived. It is needed because others can also write to Kafka
// and set authtype as they like.
func Sign(keys signing.Keys, e Envelope) string { return keys.Sign(useSender, signed(e)...) }

// signed returns the parts of an event that a signature covers.
func signed(e Envelope) []string {
	parts := []string{
		e.Source, e.ID, e.Type, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10), e.AuthType, e.AuthID, sumOfData(e),
		e.ArrivedAt, e.Imported, e.TraceParent, e.ContentMode,
	}
	if e.MaskedAfter != "" {
		parts = append(parts, e.MaskedAfter)
	}
	return parts
}

// signedFormerly returns the parts that signatures of keys without ids cover.
func signedFormerly(e Envelope) []string {
	parts := []string{e.Source, e.ID, e.Type, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10), e.AuthType, e.AuthID, sumOfData(e)}
	if e.ArrivedAt != "" {
		parts = append(parts, e.ArrivedAt, e.Imported)
	}
	return parts
}

// sumOfData is the SHA-256 of the data of an event: of the file if the data is in the blob store,
// otherwise of the data as it is read.
func sumOfData(e Envelope) string {
	var sum [sha256.Size]byte
	if digests.Is(e.DataRef) {
		_, _ = hex.Decode(sum[:], []byte(strings.TrimPrefix(e.DataRef, "sha256:"))) // 64 digits
	} else {
		sum = sha256.Sum256(Whole(e.Data))
	}
	return string(sum[:])
}

// SenderOf returns the sender of an event, as a gateway with a key has verified it: the kind of
// sender followed by the name, or "" if no such gateway verified a credential.
func SenderOf(keys signing.Keys, e Envelope) string {
	if !keys.Any() || e.AuthMAC == "" || e.AuthID == "" || !vouched(keys, e) {
		return ""
	}
	switch e.AuthType {
	case AuthService:
		return record.SenderAgent + e.AuthID
	case AuthSystem:
		return record.SenderPlatform + e.AuthID
	case AuthUser:
		return record.SenderPerson + e.AuthID
	}
	return ""
}

// vouched reports whether a gateway signed an event. It digests the data only once.
func vouched(keys signing.Keys, e Envelope) bool {
	if signing.IsFormer(e.AuthMAC) {
		return keys.VerifyFormer(e.AuthMAC, signedFormerly(e)...)
	}
	return keys.Verify(e.AuthMAC, useSender, signed(e)...)
}

// Arrival returns the header that carries the arrival time of an event over to the next message:
// when it is sent on to another partition, or imported from an archive. It is signed if keys can
// sign.
func Arrival(keys signing.Keys, e Envelope, at time.Time) []byte {
	text := at.UTC().Format(time.RFC3339Nano)
	if !keys.CanSign() {
		return []byte(text)
	}
	return []byte(text + " " + keys.Sign(useArrival, arrivalOf(e, text)...))
}

// ReadArrival reads the header that [Arrival] wrote. If there are keys, one of them must have
// signed it; without keys nothing can be verified, and every header is accepted.
func ReadArrival(keys signing.Keys, e Envelope, header []byte) (at time.Time, ok bool) {
	text, signature, _ := strings.Cut(string(header), " ")
	if keys.Any() {
		parts := arrivalOf(e, text)
		if !keys.Verify(signature, useArrival, parts...) && !keys.VerifyFormer(signature, append([]string{useArrival}, parts...)...) {
			return time.Time{}, false
		}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UTC(), err == nil
}

func arrivalOf(e Envelope, at string) []string {
	return []string{at, e.Source, e.ID, e.Type, e.AuthMAC, sumOfData(e)}
}

// Route returns the header that says to which key an enricher sent an event on, and as what. It is
// trusted only if it is signed.
func Route(keys signing.Keys, e Envelope, as, to string) []byte {
	return []byte(as + " " + keys.Sign(useRoute, routeOf(e, as, to)...) + " " + to)
}

// ReadRoute reads the header that [Route] wrote. ok is false if none of keys has signed it.
func ReadRoute(keys signing.Keys, e Envelope, header []byte) (as, to string, ok bool) {
	as, rest, _ := strings.Cut(string(header), " ")
	signature, to, _ := strings.Cut(rest, " ")
	return as, to, keys.Any() && keys.Verify(signature, useRoute, routeOf(e, as, to)...)
}

func routeOf(e Envelope, as, to string) []string {
	return []string{as, to, e.Source, e.ID, e.Type, e.AuthMAC, sumOfData(e)}
}

// SignDocument returns the enricher's signature over a message for sinks: its key, its headers in
// their order, and the document. headers are names and values in turn.
func SignDocument(keys signing.Keys, key, value []byte, headers ...string) string {
	return keys.Sign(useDocument, documentParts(key, value, headers)...)
}

// VerifyDocument reports whether an enricher wrote a message.
func VerifyDocument(keys signing.Keys, signature string, key, value []byte, headers ...string) bool {
	return keys.Verify(signature, useDocument, documentParts(key, value, headers)...)
}

func documentParts(key, value []byte, headers []string) []string {
	sum := sha256.Sum256(value)
	return append([]string{string(key), string(sum[:])}, headers...)
}

// CredentialOf returns what kind of credential a sender has, in the terms for witnesses:
// [record.Signed] for an agent, [record.Observed] for a platform, [record.Human] for a person, ""
// for nobody. The witness of a fact that it states may be weaker.
func CredentialOf(sender string) string {
	switch kind, _, _ := strings.Cut(sender, ":"); kind + ":" {
	case record.SenderAgent:
		return record.Signed
	case record.SenderPlatform:
		return record.Observed
	case record.SenderPerson:
		return record.Human
	}
	return ""
}
