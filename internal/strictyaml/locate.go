package strictyaml

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
)

// Locate adds the line and the column in text to mistakes that have a path.
func Locate(text []byte, err error) error {
	var root yaml.Node
	if err == nil || yaml.Unmarshal(text, &root) != nil || len(root.Content) == 0 {
		return err
	}
	return mistake.Each(err, func(m *mistake.Mistake) {
		if m.Line == 0 && m.Path != "" {
			n := find(root.Content[0], m.Path)
			m.Line, m.Column = n.Line, n.Column
		}
	})
}

// find returns the node at a path, or the last existing one on the way to it.
func find(n *yaml.Node, path string) *yaml.Node {
	for path != "" {
		var next *yaml.Node
		if rest, ok := strings.CutPrefix(path, "["); ok {
			index, after, _ := strings.Cut(rest, "]")
			i, err := strconv.Atoi(index)
			if err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
				next = n.Content[i]
			}
			path = strings.TrimPrefix(after, ".")
		} else {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			next = child(n, path[:end])
			path = strings.TrimPrefix(path[end:], ".")
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
