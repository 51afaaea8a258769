// Text of programs as it is shown: whatever moves, hides or turns other text is seen as a sign.

// Controls but tab and newline, what turns the direction, what has no width, and half characters.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Cs}/gu;

function show(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

/** Return the text with signs for what can't be seen. */
export const printable = (text) => String(text).replace(UNSEEN, show);
