package capture

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestOutputIsReadWhileItIsWritten: no line is lost or mixed with another one.
func TestOutputIsReadWhileItIsWritten(t *testing.T) {
	var out Output
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				fmt.Fprint(&out, "a whole line\n")
				if strings.Trim(strings.ReplaceAll(out.String(), "a whole line\n", ""), "") != "" {
					t.Error("lines are mixed")
				}
			}
		})
	}
	wg.Wait()
	if n := strings.Count(out.String(), "\n"); n != 400 {
		t.Errorf("%d lines", n)
	}
}
