// SPDX-License-Identifier: Apache-2.0

package db

// An Ending is done once at the end of a transaction, for all acts in it that want the same.
type Ending interface {
	// End runs after the last act, as the function of an act does, and leaves no Ending. Where it fails, it alone is
	// undone.
	End(tx *Tx) error
}

// Ending returns what an earlier act of the same transaction has left under key, or leaves there what first makes. Its
// End runs before the commit, whatever became of the act. What acts tell it must be the last that they do: nothing may
// undo them afterwards.
func (tx *Tx) Ending(key any, first func() Ending) Ending {
	w := tx.writer
	e, ok := w.endings[key]
	if !ok {
		e = first()
		w.endings[key] = e
		w.due = append(w.due, e)
	}
	return e
}

// end runs the endings that the acts of this transaction have left, and returns them as acts: what they give to After
// is due with the commit. An error returned is one that ends the whole transaction.
func (w *writer) end() (acts []*act, err error) {
	if len(w.due) == 0 {
		return nil, nil
	}
	defer w.forget()
	for _, e := range w.due {
		a := &act{f: e.End}
		if err := w.savepoint(a); err != nil {
			return nil, err
		}
		if a.err != nil {
			w.db.log.Error("at the end of a transaction", "err", a.err)
			continue
		}
		acts = append(acts, a)
	}
	return acts, nil
}

// forget drops what the acts of a transaction have left.
func (w *writer) forget() {
	w.due = nil
	clear(w.endings)
}
