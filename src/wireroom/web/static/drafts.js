// What somebody is writing in this tab, kept across a reload as far as the browser lets us.

const unstored = new Map();

export function keepDraft(name, draft) {
  unstored.set(name, draft);
  try {
    sessionStorage.setItem(`draft-${name}`, JSON.stringify(draft));
  } catch {
    // A browser that refuses keeps it as long as the page lives.
  }
}

/** What was kept, null for nothing. */
export function keptDraft(name) {
  if (unstored.has(name)) return unstored.get(name);
  try {
    return JSON.parse(sessionStorage.getItem(`draft-${name}`));
  } catch {
    return null;
  }
}
