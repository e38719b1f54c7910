// Package signing signs what one part of the pipeline tells another over a topic that others may
// write to: a gateway signs who sent an event, an enricher signs what sinks must index.
//
// Keys have ids that are derived from the keys themselves, so that several keys can be in use at
// once: the first one signs, all of them verify, and one can replace another without downtime. A
// key is either a secret that both sides share (HMAC-SHA256) or one half of a key pair (Ed25519),
// with which the verifying side cannot forge signatures.
//
// It imports no other package of changetrail.
package signing

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
)

// Forms of a key in a configuration. Anything else is a shared secret.
const (
	privateForm = "ed25519:"        // followed by the seed, 32 bytes in base64: signs and verifies
	publicForm  = "ed25519-public:" // then the public key, 32 bytes in base64: verifies
)

// minSecret is the length of the shortest secret that is accepted, in characters.
const minSecret = 16

// ErrShort reports a secret that is too easy to guess.
var ErrShort = errors.New("a key has under 16 characters: whoever guesses it is believed; openssl rand -hex 32 makes one")

// Keys are the keys for one purpose. The zero value has none: it signs nothing and believes nobody.
type Keys struct{ list []*key }

// A key is one of the keys.
type key struct {
	id      string
	shared  []byte             // for HMAC, otherwise nil
	macs    sync.Pool          // of *mac
	private ed25519.PrivateKey // nil where it only verifies
	public  ed25519.PublicKey
}

// Parse reads keys, one per line; the first one that can sign is used for signing.
func Parse(text string) (Keys, error) {
	var k Keys
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		one, err := parse(line)
		if err != nil {
			return Keys{}, err
		}
		k.list = append(k.list, one)
	}
	return k, nil
}

// Of returns keys with one shared secret; no keys if it is empty.
func Of(secret []byte) Keys {
	if len(secret) == 0 {
		return Keys{}
	}
	return Keys{[]*key{shared(secret)}}
}

func parse(line string) (*key, error) {
	if text, ok := strings.CutPrefix(line, privateForm); ok {
		seed, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, errors.New("the text after ed25519: is not a key of 32 bytes in base64")
		}
		private := ed25519.NewKeyFromSeed(seed)
		return pair(private, private.Public().(ed25519.PublicKey)), nil
	}
	if text, ok := strings.CutPrefix(line, publicForm); ok {
		public, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return nil, errors.New("the text after ed25519-public: is not a key of 32 bytes in base64")
		}
		return pair(nil, public), nil
	}
	if len(line) < minSecret {
		return nil, ErrShort
	}
	return shared([]byte(line)), nil
}

func shared(secret []byte) *key {
	k := &key{shared: secret}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	k.id = idOf(k.hmac([]string{"id"}))
	return k
}

func pair(private ed25519.PrivateKey, public ed25519.PublicKey) *key {
	sum := sha256.Sum256(public)
	return &key{id: idOf(sum[:]), private: private, public: public}
}

// idOf returns the id of a key, which reveals nothing about a secret.
func idOf(sum []byte) string { return hex.EncodeToString(sum[:4]) }

// Pair creates a key pair, in the forms of a configuration.
func Pair() (private, public string, err error) {
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", "", err
	}
	return privateForm + base64.StdEncoding.EncodeToString(priv.Seed()), publicForm + base64.StdEncoding.EncodeToString(pub), nil
}

// Any reports whether there are keys; if so, anything without a signature is not believed.
func (k Keys) Any() bool { return len(k.list) > 0 }

// IDs returns the ids of the keys; a star follows the one that signs.
func (k Keys) IDs() (out []string) {
	signs := k.signer()
	for _, one := range k.list {
		if one == signs {
			out = append(out, one.id+"*")
		} else {
			out = append(out, one.id)
		}
	}
	return out
}

// CanSign reports whether one of the keys can sign.
func (k Keys) CanSign() bool { return k.signer() != nil }

func (k Keys) signer() *key {
	for _, one := range k.list {
		if one.shared != nil || one.private != nil {
			return one
		}
	}
	return nil
}

// Sign returns a signature over parts, in their order, for one use: "ID:BASE64URL". It is empty if
// no key can sign. A signature for one use is not valid for another. Large parts should be signed
// by their digest.
func (k Keys) Sign(use string, parts ...string) string {
	one := k.signer()
	if one == nil {
		return ""
	}
	parts = append([]string{use}, parts...)
	sum := []byte(nil)
	if one.shared != nil {
		sum = one.hmac(parts)
	} else {
		sum = ed25519.Sign(one.private, digest(parts))
	}
	return one.id + ":" + base64.RawURLEncoding.EncodeToString(sum)
}

// Verify reports whether one of the keys made a signature for use over these parts.
func (k Keys) Verify(signature, use string, parts ...string) bool {
	id, text, ok := strings.Cut(signature, ":")
	if !ok {
		return false
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return false
	}
	parts = append([]string{use}, parts...)
	for _, one := range k.list {
		if one.id == id && one.verify(sum, parts) {
			return true
		}
	}
	return false
}

func (k *key) verify(sum []byte, parts []string) bool {
	if k.shared != nil {
		return hmac.Equal(sum, k.hmac(parts))
	}
	return ed25519.Verify(k.public, digest(parts), sum)
}

// IsFormer reports whether a signature has the form of versions whose keys had no ids.
// [Keys.VerifyFormer] reads it.
func IsFormer(signature string) bool { return !strings.Contains(signature, ":") }

// VerifyFormer reports whether one of the shared secrets made a signature in the form of versions
// whose keys had no ids: a keyed digest in hex.
func (k Keys) VerifyFormer(signature string, parts ...string) bool {
	sum, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	for _, one := range k.list {
		if one.shared != nil && hmac.Equal(sum, one.hmac(parts)) {
			return true
		}
	}
	return false
}

// Derive returns a secret for another purpose, derived from the first key that can sign; nil if
// there is none.
func (k Keys) Derive(purpose string) []byte {
	one := k.signer()
	if one == nil {
		return nil
	}
	secret := one.shared
	if secret == nil {
		secret = one.private.Seed()
	}
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(purpose))
	return m.Sum(nil)
}

// A mac computes keyed digests, one at a time.
type mac struct {
	hash.Hash
	room []byte
}

func (k *key) hmac(parts []string) []byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.room = encode(m.room[:0], parts)
	m.Reset()
	_, _ = m.Write(m.room) // a hash never fails
	return m.Sum(nil)
}

// digest returns what a key pair signs instead of the parts themselves.
func digest(parts []string) []byte {
	sum := sha256.Sum256(encode(nil, parts))
	return sum[:]
}

// encode appends parts, each preceded by its length, so that different lists have different
// encodings.
func encode(b []byte, parts []string) []byte {
	for _, s := range parts {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), 0)
		b = append(b, s...)
	}
	return b
}

// String hides the keys when a configuration is printed.
func (k Keys) String() string { return fmt.Sprintf("%d keys %v", len(k.list), k.IDs()) }
