//go:build clouds && servers

package cloud

import (
	"testing"

	"gocloud.dev/blob/azureblob"

	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/foreign"
)

// TestAzure runs a bucket against Azurite.
func TestAzure(t *testing.T) {
	address := foreign.Azure(t)
	// The account that every Azurite has.
	t.Setenv("AZURE_STORAGE_ACCOUNT", "devstoreaccount1")
	t.Setenv("AZURE_STORAGE_KEY", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
	where := "azblob://files?localemu=true&protocol=http&domain=" + address
	container(t, address)
	contract(t, where)
}

// TestGoogleStorage runs a bucket against an emulator that is not Google's.
func TestGoogleStorage(t *testing.T) {
	t.Setenv("STORAGE_EMULATOR_HOST", foreign.GoogleStorage(t, "files"))
	contract(t, "gs://files")
}

func contract(t *testing.T, where string) {
	t.Helper()
	b, err := OpenBucket(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	blobtest.RunBucket(t, b)
}

// container makes the container files.
func container(t *testing.T, address string) {
	t.Helper()
	o := azureblob.NewDefaultServiceURLOptions()
	o.Protocol, o.StorageDomain, o.IsLocalEmulator = "http", address, true
	u, err := azureblob.NewServiceURL(o)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azureblob.NewDefaultClient(u, "files")
	if err == nil {
		_, err = client.Create(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}
