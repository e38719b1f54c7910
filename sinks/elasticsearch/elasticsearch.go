// Package elasticsearch stores documents in Elasticsearch 8 and 9, through the
// official client, which refuses every other product.
package elasticsearch

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/elastic/go-elasticsearch/v8"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
)

// New returns a connection to Elasticsearch. The client's own retries are off:
// what is tried again, and when, is decided in one place, the sink's worker.
func New(c bulk.Connection) (*bulk.Server, error) {
	transport := bulk.Transport()
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("elasticsearch: CA file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("elasticsearch: CA file %s holds no PEM certificate", c.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	client, err := elasticsearch.NewBaseClient(elasticsearch.Config{
		Addresses: c.Addresses, Username: c.Username, Password: c.Password, APIKey: c.APIKey,
		Transport: transport, DisableRetry: true,
	})
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	return &bulk.Server{Engine: schemas.Elasticsearch, Indexer: bulk.Indexer{Do: client.Perform, Gzip: c.Gzip}}, nil
}
