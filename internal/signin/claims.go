package signin

import "strings"

// claims are the members of an ID token or of an answer of UserInfo.
type claims map[string]any

// at returns the claim at a path, such as realm_access.roles. The name of a claim may itself contain
// dots, such as https://acme.example/roles: a name that is there as a whole comes first.
func (c claims) at(path string) (any, bool) {
	if v, ok := c[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		inner, ok := c[path[:i]].(map[string]any)
		if !ok {
			continue
		}
		if v, ok := claims(inner).at(path[i+1:]); ok {
			return v, true
		}
	}
	return nil, false
}

// text returns a claim that is a string; "" for any other.
func (c claims) text(path string) string {
	v, _ := c.at(path)
	s, _ := v.(string)
	return strings.TrimSpace(s)
}

// list returns a claim that is a string or a list of strings; nothing of any other.
func (c claims) list(path string) []string {
	v, _ := c.at(path)
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// add takes over the claims that c does not have.
func (c claims) add(more claims) {
	for name, v := range more {
		if _, ok := c[name]; !ok {
			c[name] = v
		}
	}
}
