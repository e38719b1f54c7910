package detect

// A File is one of the generated files.
type File struct {
	Path    string // with slashes
	Content []byte
}

// Export returns the files for people who import by hand, in a fixed order.
func Export(rules []Rule, o Options) ([]File, error) {
	elastic, err := Elastic(rules, o)
	if err != nil {
		return nil, err
	}
	out := []File{
		{"elastic-rules.ndjson", elastic},
		{"opensearch-security-analytics/logtype.json", []byte(LogType)},
	}
	monitors, err := Monitors(rules, o)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		r := &rules[i]
		out = append(out, File{"opensearch-monitors/" + r.baseName() + ".json", append(monitors[i].Body, '\n')})
		text, ok, err := r.Analytics(o)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, File{"opensearch-security-analytics/rules/" + r.File, text})
		}
	}
	return out, nil
}
