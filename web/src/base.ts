/** The path under which a proxy offers the server, such as `/patchbay`; empty without one. */
export const BASE = document.querySelector<HTMLMetaElement>('meta[name="patchbay-base"]')?.content ?? '';
