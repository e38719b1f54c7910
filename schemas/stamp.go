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
	AuthSystem    = "system"          // a platform: code host, CI, scanner; authid names the credential
	AuthUser      = "user"            // a person; authid is the account
	AuthAnonymous = "unauthenticated"
)

// Stamp returns what a gateway puts into the extension authmac of an event whose
// credential it looked at: a keyed digest over what the event is, who sent it,
// and its data. Others can write to Kafka, too, and set authtype as they like.
func Stamp(key []byte, e Envelope) string {
	data := sha256.Sum256(e.Data)
	if len(e.Data) == 0 && record.IsDigest(e.DataRef) { // the data lies elsewhere, under the same digest
		_, _ = hex.Decode(data[:], []byte(strings.TrimPrefix(e.DataRef, "sha256:"))) // 64 digits
	}
	m := hmac.New(sha256.New, key)
	for _, s := range []string{e.Source, e.ID, e.Type, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10), e.AuthType, e.AuthID, string(data[:])} {
		m.Write(strconv.AppendInt(nil, int64(len(s)), 10))
		m.Write([]byte{0})
		m.Write([]byte(s))
	}
	return hex.EncodeToString(m.Sum(nil))
}

// TierOf returns what the credential is worth that an event came with: the tier,
// or "" where no gateway that holds key looked at one.
func TierOf(key []byte, e Envelope) string {
	if len(key) == 0 || e.AuthMAC == "" || !hmac.Equal([]byte(e.AuthMAC), []byte(Stamp(key, e))) {
		return ""
	}
	switch e.AuthType {
	case AuthService:
		return record.Signed
	case AuthSystem:
		return record.Observed
	case AuthUser:
		return record.Human
	}
	return ""
}
