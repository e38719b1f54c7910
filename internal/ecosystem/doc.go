// Package ecosystem says whether two names mean the same package and which of two versions is
// later, by the rules of the package's ecosystem: npm, PyPI, Go, Maven, crates.io, RubyGems, NuGet,
// Packagist, Hex, Pub, Swift, CocoaPods, Hackage, CRAN, and the packages of Debian, Alpine and the
// distributions that use RPM.
//
// It reports what is unknown and does not guess. It does no I/O and keeps no state.
package ecosystem
