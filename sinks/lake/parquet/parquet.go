// Package parquet is the format of a lake for query engines that read columns: the documents as
// events of OCSF, one table for each class, in Parquet with zstd.
//
// It is a package of its own because its library is larger than the lake: only a build with -tags
// parquet contains it.
package parquet

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/changetrail/changetrail/schemas/ocsf"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/lake"
)

// A Format is a [lake.Format].
type Format struct{}

// Extension implements [lake.Format].
func (Format) Extension() string { return "parquet" }

// Row implements [lake.Format]. The table is the class of the event.
func (Format) Row(d sinks.Document) (lake.Row, error) {
	e, err := ocsf.From(d.Body)
	if err != nil {
		return lake.Row{}, err
	}
	if _, err := read(e.JSON); err != nil { // so that only a document is refused, not a file
		return lake.Row{}, fmt.Errorf("the event of OCSF does not fit the columns: %w", err)
	}
	return lake.Row{Table: strconv.Itoa(e.Class), Time: e.Time, Body: e.JSON}, nil
}

// chunk is how many rows are in memory as columns before they are compressed.
const chunk = 1000

// Encode implements [lake.Format].
func (Format) Encode(w io.Writer, rows []lake.Row) error {
	out := parquet.NewGenericWriter[row](w, parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("changetrail", "", ""), parquet.PageBufferSize(1<<20))
	buffer := make([]row, 0, chunk)
	for i, r := range rows {
		event, err := read(r.Body)
		if err != nil {
			return errors.Join(err, out.Close())
		}
		if buffer = append(buffer, event); len(buffer) == chunk || i == len(rows)-1 {
			if _, err := out.Write(buffer); err != nil {
				return errors.Join(err, out.Close())
			}
			buffer = buffer[:0]
		}
	}
	return out.Close()
}
