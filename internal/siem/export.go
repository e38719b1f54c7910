package siem

// Names of the files for people who import by hand.
const (
	DashboardsFile = "opensearch-dashboards.ndjson"
	KibanaFile     = "kibana.ndjson"
)

// Export returns the files for people who import by hand, by name.
func Export(objects []Object) (map[string][]byte, error) {
	content, err := NDJSON(objects)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{DashboardsFile: content, KibanaFile: content}, nil
}
