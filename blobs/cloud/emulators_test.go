//go:build clouds && servers

package cloud

import (
	"testing"

	"gocloud.dev/blob/azureblob"

	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/foreign"
)

// TestAzure runs a bucket against Azurite. It connects by itself: the library reads the environment
// only once in a process, and another test has none.
func TestAzure(t *testing.T) {
	address := foreign.Azure(t)
	// The account that every Azurite has.
	t.Setenv("AZURE_STORAGE_ACCOUNT", "devstoreaccount1")
	t.Setenv("AZURE_STORAGE_KEY", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
	o := azureblob.NewDefaultServiceURLOptions()
	o.Protocol, o.StorageDomain, o.IsLocalEmulator = "http", address, true
	u, err := azureblob.NewServiceURL(o)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azureblob.NewDefaultClient(u, "files")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b, err := azureblob.OpenBucket(t.Context(), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	blobtest.RunBucket(t, &bucket{b})
}

// TestGoogleStorage runs a bucket against an emulator that is not Google's.
func TestGoogleStorage(t *testing.T) {
	t.Setenv("STORAGE_EMULATOR_HOST", foreign.GoogleStorage(t, "files"))
	b, err := OpenBucket(t.Context(), "gs://files")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	blobtest.RunBucket(t, b)
}
