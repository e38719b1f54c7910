package schemas

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

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

// Stamp returns what a gateway puts into the extension authmac of an event whose
// credential it looked at: a keyed digest over what the event is, who sent it, its
// data, and when it arrived. Others can write to Kafka, too, and set authtype as they
// like.
func Stamp(key []byte, e Envelope) string {
	parts := []string{e.Source, e.ID, e.Type, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10), e.AuthType, e.AuthID, sumOfData(e)}
	if e.ArrivedAt != "" {
		parts = append(parts, e.ArrivedAt, e.Imported)
	}
	return keyed(key, parts...)
}

// sumOfData is the SHA-256 of the data of an event, wherever they lie.
func sumOfData(e Envelope) string {
	sum := sha256.Sum256(e.Data)
	if len(e.Data) == 0 && record.IsDigest(e.DataRef) {
		_, _ = hex.Decode(sum[:], []byte(strings.TrimPrefix(e.DataRef, "sha256:"))) // 64 digits
	}
	return string(sum[:])
}

// keyed is a keyed digest over parts, each of which stands behind its length.
func keyed(key []byte, parts ...string) string {
	m := hmac.New(sha256.New, key)
	for _, s := range parts {
		m.Write(strconv.AppendInt(nil, int64(len(s)), 10))
		m.Write([]byte{0})
		m.Write([]byte(s))
	}
	return hex.EncodeToString(m.Sum(nil))
}

// SenderOf returns who sent an event, as a gateway that holds key found out by its
// credential: a name behind one of the kinds of senders, or "" where no such gateway
// looked at a credential.
func SenderOf(key []byte, e Envelope) string {
	if len(key) == 0 || e.AuthMAC == "" || e.AuthID == "" || !hmac.Equal([]byte(e.AuthMAC), []byte(Stamp(key, e))) {
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

// Arrival returns the header that carries the arrival of an event from one message to
// the next one: where it is sent on to another partition, or out of an archive. It is
// signed where there is a key.
func Arrival(key []byte, e Envelope, at time.Time) []byte {
	text := at.UTC().Format(time.RFC3339Nano)
	if len(key) == 0 {
		return []byte(text)
	}
	return []byte(text + " " + arrivalMAC(key, e, text))
}

// ReadArrival reads the header that [Arrival] wrote. Where there is a key it must be
// signed with it, and where there is none nobody is believed, and anything may be said.
func ReadArrival(key []byte, e Envelope, header []byte) (at time.Time, ok bool) {
	text, mac, _ := strings.Cut(string(header), " ")
	if len(key) > 0 && !hmac.Equal([]byte(mac), []byte(arrivalMAC(key, e, text))) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UTC(), err == nil
}

func arrivalMAC(key []byte, e Envelope, at string) string {
	return keyed(key, "arrival", at, e.Source, e.ID, e.Type, e.AuthMAC, sumOfData(e))
}

// CredentialOf returns what a sender is, in the words for witnesses: [record.Signed]
// for an agent, [record.Observed] for a platform, [record.Human] for a person, "" for
// nobody. What it states of a fact may be worth less.
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
