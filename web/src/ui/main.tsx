import './style.css';
import './list.css';
import './entry.css';

import { createRoot } from 'react-dom/client';
import { App } from './app';
import { applyTheme } from './theme';

applyTheme();
// The list is filled after it was asked for; the page itself goes back to where it was left (list.tsx).
history.scrollRestoration = 'manual';

createRoot(document.getElementById('gallery')!).render(<App />);
