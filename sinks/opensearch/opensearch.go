// Package opensearch stores documents in OpenSearch 2 and 3, through the
// official client.
package opensearch

import (
	"errors"
	"fmt"
	"os"

	"github.com/opensearch-project/opensearch-go/v4"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
)

// New returns a connection to OpenSearch. The client's own retries, probes and discovery are off:
// only the sink's worker decides what is tried again, and when.
func New(c bulk.Connection) (*bulk.Server, error) {
	if c.APIKey != "" {
		return nil, errors.New("opensearch: OpenSearch has no API keys; set sink.username and sink.password")
	}
	var ca []byte
	if c.CAFile != "" {
		var err error
		if ca, err = os.ReadFile(c.CAFile); err != nil {
			return nil, fmt.Errorf("opensearch: CA file: %w", err)
		}
	}
	discover := false
	client, err := opensearch.NewClient(opensearch.Config{
		Addresses: c.Addresses, Username: c.Username, Password: c.Password, CACert: ca,
		Transport: bulk.Transport(), DisableRetry: true, DiscoverNodesOnStart: &discover,
		HealthCheckMaxRetries: -1, MaxRetryClusterHealth: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	return &bulk.Server{Engine: schemas.OpenSearch, Indexer: bulk.Indexer{Do: client.Stream, Gzip: c.Gzip}}, nil
}
