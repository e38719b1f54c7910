package local

import (
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/query"
)

// A phrase is a phrase of a search. candidates are the slots whose field contains all its words;
// found are those in which the words follow each other. Only the documents show which these are.
type phrase struct {
	query.Phrase
	candidates, found *roaring.Bitmap
}

// keyOf returns a key that identifies a phrase. A search may contain a phrase many times.
func keyOf(p query.Phrase) string { return p.Field.Name + "\x00" + strings.Join(p.Words, "\x00") }

// findPhrases evaluates all phrases of a search at once: each document is read only once, however
// many of the phrases it may contain.
func (e *evaluation) findPhrases(where query.Node) error {
	e.phrases = make(map[string]*phrase)
	if err := e.addPhrases(where); err != nil || len(e.phrases) == 0 {
		return err
	}
	any := roaring.New()
	byField := make(map[string][]*phrase)
	for _, p := range e.phrases {
		any.Or(p.candidates)
		byField[p.Field.Name] = append(byField[p.Field.Name], p)
	}
	for it := any.Iterator(); it.HasNext(); {
		if err := e.readPhrases(it.Next(), byField); err != nil {
			return err
		}
	}
	return nil
}

// addPhrases collects the phrases of a tree, with their candidates.
func (e *evaluation) addPhrases(n query.Node) error {
	switch n := n.(type) {
	case query.Bool:
		for _, child := range slices.Concat(n.Must, n.Should, n.Not) {
			if err := e.addPhrases(child); err != nil {
				return err
			}
		}
	case query.Phrase:
		if e.phrases[keyOf(n)] != nil {
			return nil
		}
		var words query.Bool
		for _, w := range n.Words {
			words.Must = append(words.Must, query.Term{Field: n.Field, Value: w})
		}
		candidates, err := e.all(words)
		if err != nil {
			return err
		}
		e.phrases[keyOf(n)] = &phrase{n, roaring.And(candidates, e.live), roaring.New()}
	}
	return nil
}

// readPhrases looks for phrases in the document of a slot.
func (e *evaluation) readPhrases(s uint32, byField map[string][]*phrase) error {
	doc, err := e.Record(e.ctx, e.slots[s].id)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	var v any
	if err := json.Unmarshal(doc, &v, jsontext.AllowInvalidUTF8(true)); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	for field, phrases := range byField {
		var texts []places
		for _, p := range phrases {
			if !p.candidates.Contains(s) {
				continue
			}
			if err := e.ctx.Err(); err != nil {
				return err
			}
			if texts == nil {
				texts = textsAt(v, strings.Split(field, "."), nil)
			}
			if slices.ContainsFunc(texts, func(t places) bool { return t.holds(p.Words) }) {
				p.found.Add(s)
			}
		}
	}
	return nil
}

// places maps the words of a text to their positions.
type places struct {
	words []string
	of    map[string][]int
}

// textsAt appends the texts at a path to out.
func textsAt(v any, path []string, out []places) []places {
	switch v := v.(type) {
	case []any:
		for _, v := range v {
			out = textsAt(v, path, out)
		}
	case map[string]any:
		if len(path) > 0 {
			out = textsAt(v[path[0]], path[1:], out)
		}
	case string:
		t := places{query.Words(v), make(map[string][]int)}
		for i, w := range t.words {
			t.of[w] = append(t.of[w], i)
		}
		out = append(out, t)
	}
	return out
}

// holds reports whether words follow each other in the text.
func (p places) holds(words []string) bool {
	for _, i := range p.of[words[0]] {
		if i+len(words) <= len(p.words) && slices.Equal(p.words[i:i+len(words)], words) {
			return true
		}
	}
	return false
}
