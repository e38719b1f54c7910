package detect

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LogType is the body of the log type of Security Analytics to which the rules belong. It must exist
// before the rules are created (POST _plugins/_security_analytics/logtype).
const LogType = `{"name":"` + product + `","description":"Changes to code by AI agents, as changetrail records them","source":"Custom"}` + "\n"

// Analytics returns a rule as Security Analytics reads Sigma (POST
// _plugins/_security_analytics/rules?category=changetrail): without keys that Sigma does not have,
// the guide within the description, and the date as text, which its reader needs. It returns false for
// rules with a threshold, since it does not read correlations.
func (r *Rule) Analytics(o Options) ([]byte, bool, error) {
	if r.Threshold != nil {
		return nil, false, nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(r.text, &root); err != nil {
		return nil, false, fmt.Errorf("%s: %w", r.File, err)
	}
	top := root.Content[0]
	var kept []*yaml.Node
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		switch {
		case strings.HasPrefix(key.Value, "x-"):
			continue
		case key.Value == "description":
			value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.LiteralStyle, Value: r.Description + "\n\n" + r.guide(o)}
		case key.Value == "date":
			value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: r.Date}
		}
		kept = append(kept, key, value)
	}
	top.Content = kept
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&root); err != nil {
		return nil, false, fmt.Errorf("%s: %w", r.File, err)
	}
	return out.Bytes(), true, nil
}
