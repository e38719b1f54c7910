//go:build !clouds

package cloud

import (
	"strings"
	"testing"
)

func TestACloudThatIsNotBuiltIn(t *testing.T) {
	for where, want := range map[string]string{"gs://bucket": "Google Cloud Storage", "azblob://files?sig=hidden": "Azure"} {
		_, err := Open(t.Context(), where)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "-tags clouds") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", where, err)
		}
	}
}
