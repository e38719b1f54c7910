package policy

import (
	"errors"
	"slices"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
)

// Moved returns p with another threshold and another mode; an empty one stays as it is. A threshold
// replaces the default, as in a file. The result has no digest and no content: nobody wrote it.
func (p *Policy) Moved(threshold, mode string) (*Policy, error) {
	var errs []error
	if threshold != "" && !slices.Contains(Classifications, threshold) {
		errs = append(errs, mistake.At("threshold", "threshold %s", nearest.NotOne(threshold, Classifications)))
	}
	if mode != "" && mode != GateEverything {
		errs = append(errs, mistake.At("mode", "mode %s", nearest.NotOne(mode, []string{GateEverything})))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	moved := *p
	moved.sources, moved.content, moved.digest = nil, nil, ""
	if threshold != "" {
		moved.Threshold, moved.Default = threshold, ""
	}
	if mode != "" {
		moved.Mode = mode
	}
	return &moved, nil
}
