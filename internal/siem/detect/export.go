package detect

// Export returns the files for people who import by hand, by path: the rules of Elastic Security, the
// monitors of OpenSearch Alerting, the log type and the rules of OpenSearch Security Analytics, and
// the Sigma files themselves.
func Export(rules []Rule, o Options) (map[string][]byte, error) {
	elastic, err := Elastic(rules, o)
	if err != nil {
		return nil, err
	}
	monitors, err := Monitors(rules, o)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{
		"elastic-rules.ndjson":                       elastic,
		"opensearch-security-analytics/logtype.json": []byte(LogType),
	}
	for i := range rules {
		r := &rules[i]
		out["sigma/"+r.File] = r.file
		out["opensearch-monitors/"+r.baseName()+".json"] = append(monitors[i].Body, '\n')
		text, ok, err := r.Analytics(o)
		if err != nil {
			return nil, err
		}
		if ok {
			out["opensearch-security-analytics/rules/"+r.File] = text
		}
	}
	return out, nil
}
