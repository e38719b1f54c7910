package schemas

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

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

// The kinds of senders in [record.Event.Sender], each before a name.
const (
	SenderAgent    = "agent:"
	SenderPlatform = "platform:"
	SenderPerson   = "person:"
)

// Stamp returns what a gateway puts into the extension authmac of an event whose
// credential it looked at: a keyed digest over what the event is, who sent it, its
// data, and when it arrived where the credential may state that. Others can write to
// Kafka, too, and set authtype as they like.
func Stamp(key []byte, e Envelope) string {
	data := sha256.Sum256(e.Data)
	if len(e.Data) == 0 && record.IsDigest(e.DataRef) { // the data lies elsewhere, under the same digest
		_, _ = hex.Decode(data[:], []byte(strings.TrimPrefix(e.DataRef, "sha256:"))) // 64 digits
	}
	parts := []string{e.Source, e.ID, e.Type, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10), e.AuthType, e.AuthID, string(data[:])}
	if e.ArrivedAt != "" {
		parts = append(parts, e.ArrivedAt)
	}
	return keyed(key, parts...)
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
		return SenderAgent + e.AuthID
	case AuthSystem:
		return SenderPlatform + e.AuthID
	case AuthUser:
		return SenderPerson + e.AuthID
	}
	return ""
}

// CredentialOf returns what a sender is, in the words for witnesses: [record.Signed]
// for an agent, [record.Observed] for a platform, [record.Human] for a person, "" for
// nobody. What it states of a fact may be worth less.
func CredentialOf(sender string) string {
	switch kind, _, _ := strings.Cut(sender, ":"); kind + ":" {
	case SenderAgent:
		return record.Signed
	case SenderPlatform:
		return record.Observed
	case SenderPerson:
		return record.Human
	}
	return ""
}
