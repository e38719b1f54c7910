package enricher

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/changetrail/changetrail/record"
)

// The state consists of many small entries, each written once or a few times: what an event
// writes does not grow with the number of facts of its change. An entry is a message of the
// changelog with the same key and value, or it shares a message with others (bundle.go):
//
//	F owner fact            a fact: an event of a change, of a repository, or of a run (facts.go)
//	I owner fact            the identity of a fact that is not kept: digest, arrival
//	R ref l run             the run is linked to a commit: one of its actions names it (refs.go)
//	R ref p fact [n]        the fact is posted under a ref; value: its owner; the finding, or the names of findings
//	R ref s subscriber      the change looks under the ref; if the ref is a run: the repository that names it
//	R ref x fact            the action is posted under a ref
//	H change                the head of a change: what was sent last (change.go)
//	G change                every gap that the change ever had
//	N change                what its actions sum up to
//	M change kind member    a member of the sets that sum up its actions
//	C change action         the action is counted, and what its reports state
//	B name                  the repositories that have a name, or the other names of the repository with a key (names.go)
//	O trace                 the trace has calls that are not settled (runs.go); arrival of the newest span
//	Z trace span            the action of the span was sent; arrival of the span
//	U                       the partition holds identities of a former version (former.go); value: when the last of them arrived
//	U converted             an upgrade is under way, and only has to delete the former entries (upgrade.go)
//	T change                the record of the change differs from this time on, with no event (due.go); value: time, id
//	X                       the offset of the last event that was read (with Config.Resend)
//
// owner, fact, ref, change and trace are the first 16 bytes of the SHA-256 of their names,
// action the first 8. In the local store 4 bytes with the partition precede each key, and
// two entries of each partition are not in the changelog (store.go):
//
//	@                       the position up to which the store has applied the changelog
//	#                       the incarnation of the topic of the changelog
//
// Small letters are the kinds of a former version (former.go).
const (
	kindFact     = 'F'
	kindIdentity = 'I'
	kindRef      = 'R'
	kindHead     = 'H'
	kindGaps     = 'G'
	kindSums     = 'N'
	kindMember   = 'M'
	kindCounted  = 'C'
	kindName     = 'B'
	kindOpen     = 'O'
	kindSettled  = 'Z'
	kindUpgraded = 'U'
	kindDue      = 'T'
	kindRead     = 'X'
)

// The kinds of entries under a ref, in the order of their keys.
const (
	refLink       = "l"
	refPosting    = "p"
	refSubscriber = "s"
	refAction     = "x" // last: there may be many
)

// A name identifies something in keys.
type name [16]byte

// prefixSize is the length of the common prefix of keys of one kind and name in the local store:
// partition, kind, name.
const prefixSize = 4 + 1 + len(name{})

func nameOf(parts ...string) name {
	var buf [256]byte
	b := buf[:0]
	for _, p := range parts {
		b = append(append(b, p...), 0)
	}
	sum := sha256.Sum256(b)
	return name(sum[:16])
}

// ownerOf names the owner of e: its change, or else its repository.
func ownerOf(e record.Event) name {
	if e.Change != "" {
		return nameOf(string(e.Change))
	}
	return nameOf(string(e.Repository))
}

// actionName names an action. All reports of one action have the same name.
func actionName(e record.Event) string {
	sum := sha256.Sum256([]byte(e.Key()))
	return string(sum[:8])
}

func refName(repo record.Repository, ref record.Ref) name { return nameOf(string(repo), string(ref)) }

// A key is a key of the local store: partition, kind, name and the rest.
type key = string

func keyOf(partition int32, kind byte, of name, rest ...string) key {
	var buf [128]byte
	b := binary.BigEndian.AppendUint32(buf[:0], uint32(partition))
	b = append(append(b, kind), of[:]...)
	for _, r := range rest {
		b = append(b, r...)
	}
	return string(b)
}

// prefixOf returns the common prefix of the keys of a kind in a partition.
func prefixOf(partition int32, kind byte) key {
	return string(append(binary.BigEndian.AppendUint32(nil, uint32(partition)), kind))
}

// partitionOf returns the partition of a key, and the key in the changelog.
func partitionOf(k key) (int32, string) {
	return int32(binary.BigEndian.Uint32([]byte(k[:4]))), k[4:]
}
