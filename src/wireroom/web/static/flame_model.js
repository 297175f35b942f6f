// A profile as a tree: what stands where, what is in what, and the same by function. Knows nothing of the document.

/** A box: a function where it was called from. */
class Box {
  constructor(frame, depth, weight, itself, above) {
    Object.assign(this, { frame, depth, weight, itself, above, left: above ? above.filled : 0, filled: 0, below: [] });
    this.filled = this.left;
    if (!above) return;
    above.filled += weight;
    above.below.push(this);
  }

  /** Whether `other` is this box or in it. */
  holds(other) {
    for (let box = other; box; box = box.above) if (box === this) return true;
    return false;
  }
}

/**
 * Build the tree of a flame graph as `GET /api/performance/profiles/{id}` sends it.
 *
 * Returns {root, boxes, functions, total}; `functions` = [{name, place, isOurs, itself, total}], each function once.
 */
export function build({ frames, boxes: sent }) {
  const kinds = frames.map(([name, place, isOurs]) => ({ name, place, isOurs, itself: 0, total: 0 }));
  const way = [];
  const boxes = sent.map(([depth, frame, weight, itself]) => {
    way.length = depth;
    const kind = kinds[frame];
    const box = new Box(kind, depth, weight, itself, way[depth - 1]);
    kind.itself += itself;
    // Recursion is counted once: only where the function is not yet on the way here.
    if (!way.some((above) => above.frame === kind)) kind.total += weight;
    way.push(box);
    return box;
  });
  return { root: boxes[0], boxes, functions: kinds.filter((kind) => kind.place), total: boxes[0].weight };
}

/** Tell whether a function is one that somebody searches for. */
export function matches({ name, place }, words) {
  const text = `${name} ${place}`.toLowerCase();
  return words !== "" && words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The weight of all matching boxes, each part counted once. */
export function weightOf(root, isMatch) {
  return isMatch(root.frame) ? root.weight : root.below.reduce((sum, box) => sum + weightOf(box, isMatch), 0);
}
