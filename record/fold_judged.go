package record

// foldJudged notes of what the change consists for whoever judges it.
func foldJudged(r *Record, own []Event) {
	c, j := r.Trail.Change, &r.Judged
	j.Files, j.Dependencies, j.DependenciesKnown, j.Kind, j.KindKnown = c.Files, c.Dependencies, true, c.Kind, true
	for _, e := range own {
		if f := revisionOf(e.Fact); f != nil && len(f.Files) > 0 {
			j.Files = f.Files
		}
	}
	j.FilesIncomplete = c.FilesTotal > int64(len(j.Files))
}
