//go:build !bench

package enricher

// wholeShapes tells that each shape of load has its whole size.
const wholeShapes = false
