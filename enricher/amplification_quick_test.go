//go:build !bench

package enricher

// wholeShapes says whether each shape of load has its full size.
const wholeShapes = false
