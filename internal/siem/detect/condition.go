package detect

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/query"
)

// maxNested bounds brackets within brackets, and words in a condition.
const (
	maxNested = 20
	maxTokens = 200
)

var (
	nameForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	tokenForm = regexp.MustCompile(`[()]|[^\s()]+`)
)

func isName(s string) bool { return nameForm.MatchString(s) }

func reserved(s string) bool {
	return slices.Contains([]string{"and", "or", "not", "of", "all", "them", "timeframe"}, s)
}

// A conditionReader reads a condition. As in Sigma, not binds tighter than and, and and tighter than or.
type conditionReader struct {
	detection
	at     *yaml.Node
	tokens []string
	used   map[string]bool
}

// condition combines the searches. A search that the condition does not use is an error.
func (d *detection) condition(n *yaml.Node) (query.Node, error) {
	c := conditionReader{detection: *d, at: n, tokens: tokenForm.FindAllString(n.Value, maxTokens+1), used: make(map[string]bool)}
	if len(c.tokens) > maxTokens {
		return nil, wrong(n, "condition: it has more than %d words", maxTokens)
	}
	node, err := c.or(0)
	if err != nil {
		return nil, err
	}
	if len(c.tokens) > 0 {
		return nil, wrong(n, "condition: %q is not expected", c.tokens[0])
	}
	for _, name := range d.names {
		if !c.used[name] {
			return nil, wrong(n, "condition: it does not use the search %s", name)
		}
	}
	return node, nil
}

// take removes the next token if it is one of words.
func (c *conditionReader) take(words ...string) bool {
	if len(c.tokens) > 0 && slices.Contains(words, c.tokens[0]) {
		c.tokens = c.tokens[1:]
		return true
	}
	return false
}

func (c *conditionReader) or(depth int) (query.Node, error) {
	return c.list("or", func() (query.Node, error) { return c.list("and", func() (query.Node, error) { return c.not(depth) }) })
}

// list reads operands with an operator between them.
func (c *conditionReader) list(operator string, operand func() (query.Node, error)) (query.Node, error) {
	var nodes []query.Node
	for {
		n, err := operand()
		if err != nil {
			return nil, err
		}
		if nodes = append(nodes, n); !c.take(operator) {
			break
		}
	}
	if operator == "and" {
		return and(nodes), nil
	}
	return or(nodes), nil
}

func (c *conditionReader) not(depth int) (query.Node, error) {
	if !c.take("not") {
		return c.operand(depth)
	}
	n, err := c.operand(depth)
	return not(n), err
}

func (c *conditionReader) operand(depth int) (query.Node, error) {
	switch {
	case depth > maxNested:
		return nil, wrong(c.at, "condition: brackets are nested deeper than %d", maxNested)
	case len(c.tokens) == 0:
		return nil, wrong(c.at, "condition: a search is missing at the end")
	case c.take("("):
		n, err := c.or(depth + 1)
		if err == nil && !c.take(")") {
			err = wrong(c.at, "condition: a bracket is not closed")
		}
		return n, err
	}
	word := c.tokens[0]
	c.tokens = c.tokens[1:]
	if (word == "1" || word == "all") && c.take("of") {
		return c.of(word)
	}
	n := c.searches[word]
	if n == nil {
		return nil, wrong(c.at, "condition: there is no search %q", word)
	}
	c.used[word] = true
	return n, nil
}

// of reads what comes after "1 of" and "all of": them, or the beginning of names and *.
func (c *conditionReader) of(how string) (query.Node, error) {
	if len(c.tokens) == 0 {
		return nil, wrong(c.at, "condition: names are missing at the end")
	}
	word := c.tokens[0]
	c.tokens = c.tokens[1:]
	prefix, wild := strings.CutSuffix(word, "*")
	if word == "them" {
		prefix = ""
	} else if !wild || !isName(prefix) {
		return nil, wrong(c.at, "condition: after of, write them or the beginning of names with *, not %q", word)
	}
	var nodes []query.Node
	for _, name := range c.names {
		if strings.HasPrefix(name, prefix) {
			nodes, c.used[name] = append(nodes, c.searches[name]), true
		}
	}
	switch {
	case len(nodes) == 0:
		return nil, wrong(c.at, "condition: no search has a name like %s", word)
	case how == "all":
		return and(nodes), nil
	}
	return or(nodes), nil
}
