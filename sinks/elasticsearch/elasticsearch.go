// Package elasticsearch stores documents in Elasticsearch 8 and 9.
//
// It uses the official client's API package over the official transport. The client's root package
// would add the typed API: 860 packages that nothing here calls. The one other thing that the root
// package does is done here: refusing every other product.
package elasticsearch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
)

// New returns a connection to Elasticsearch. The transport's own retries are off: only the sink's
// worker decides what is tried again, and when.
func New(c bulk.Connection) (*bulk.Server, error) {
	client, err := newClient(c)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	return &bulk.Server{Engine: schemas.Elasticsearch, Indexer: bulk.Indexer{Do: client.Perform, Gzip: c.Gzip}}, nil
}

// A client sends requests to one cluster, after a check that it is Elasticsearch.
type client struct {
	transport esapi.Transport
	genuine   atomic.Bool
}

func newClient(c bulk.Connection) (*client, error) {
	options, err := addresses(c)
	if err != nil {
		return nil, err
	}
	transport := bulk.Transport()
	if c.CAFile != "" {
		if transport.TLSClientConfig, err = trusting(c.CAFile); err != nil {
			return nil, err
		}
	}
	options = append(options, elastictransport.WithTransport(transport), elastictransport.WithDisableRetry(),
		elastictransport.WithUserAgent(fmt.Sprintf("go-elasticsearch/%s (%s %s; %s)", esapi.Version, runtime.GOOS, runtime.GOARCH, runtime.Version())))
	t, err := elastictransport.NewClient(options...)
	if err != nil {
		return nil, err
	}
	return &client{transport: t}, nil
}

// addresses returns the options for the cluster's addresses and the credentials. Credentials in the
// first URL are used for all URLs.
func addresses(c bulk.Connection) ([]elastictransport.Option, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("no address; set sink.addresses to the cluster's URLs")
	}
	urls := make([]*url.URL, len(c.Addresses))
	for i, a := range c.Addresses {
		u, err := url.Parse(strings.TrimRight(a, "/"))
		if err != nil {
			return nil, fmt.Errorf("address %d: %w", i+1, err)
		}
		urls[i] = u
	}
	options := []elastictransport.Option{elastictransport.WithURLs(urls...)}
	user, password := c.Username, c.Password
	if in := urls[0].User; in != nil {
		user = in.Username()
		password, _ = in.Password()
	}
	switch {
	case c.APIKey != "":
		options = append(options, elastictransport.WithAPIKey(c.APIKey))
	case user != "" || password != "":
		options = append(options, elastictransport.WithBasicAuth(user, password))
	}
	return options, nil
}

// trusting returns a configuration that trusts only the authorities in a file.
func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s has no PEM certificate", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// Perform implements [esapi.Transport]. The first successful answer must come from Elasticsearch,
// as the official client demands; otherwise it is an error.
func (c *client) Perform(req *http.Request) (*http.Response, error) {
	res, err := c.transport.Perform(req)
	if err != nil || c.genuine.Load() || res.StatusCode < 200 || res.StatusCode > 299 {
		return res, err
	}
	if res.Header.Get("X-Elastic-Product") != "Elasticsearch" {
		_ = res.Body.Close() // it is not read
		return nil, errors.New("the server is not Elasticsearch (its answer has no X-Elastic-Product); for OpenSearch set sink.engine to opensearch")
	}
	c.genuine.Store(true)
	return res, nil
}
