//go:build servers

package s3

import (
	"net/url"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/foreign"
)

// TestServer runs the store against Versity's S3 gateway, which checks signatures.
func TestServer(t *testing.T) {
	own(t)
	address, _ := foreign.S3(t)
	where := "s3://evidence?region=us-east-1&endpoint=" + url.QueryEscape("http://"+address)
	s, err := Open(where)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), []byte("a")); err == nil || !strings.Contains(err.Error(), "create the bucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
	b, err := open("evidence", url.Values{"region": {"us-east-1"}, "endpoint": {"http://" + address}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.core.MakeBucket(t.Context(), b.name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	blobtest.RunBucket(t, b)
	beside, err := OpenBucket(where + "&prefix=beside/")
	if err != nil {
		t.Fatal(err)
	}
	blobtest.RunBucket(t, beside)

	ours := []byte("put once")
	digest, err := s.Put(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	stranger, err := Open(where)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Get(t.Context(), digest); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") {
		t.Errorf("who has a wrong secret: %v", err)
	}
	if _, err := stranger.Get(t.Context(), digests.Of(nil)); err == nil {
		t.Error("who has a wrong secret reads")
	}
}
